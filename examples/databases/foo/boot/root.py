"""Answer GET / with the state of the server."""


def boot(app):
    app.router.get("/", app.status)
