"""Turn on access control: users, access tokens, roles and ACLs."""


def boot(app):
    app.enable_auth()
