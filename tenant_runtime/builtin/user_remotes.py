"""The remote methods of user models: how clients call them.

In charge of: the declarations (LoopBack's ``remoteMethod`` objects; their descriptions are part of the
interface, swagger shows them) and the remote hooks that belong to them.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.access.context import member
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED, truthy

_OPTIONS = {"arg": "options", "type": "object", "http": "optionsFromRequest"}
_INCLUDE_DESCRIPTION = (
    "Related objects to include in the response. See the description of return value for more details."
)
# The escapes stand in the original's text as they are here.
_LOGIN_RESULT = (
    "The response body contains properties of the AccessToken created on login.\n"
    "Depending on the value of `include` parameter, the body may contain additional properties:\n\n"
    "  - `user` - `U+007BUserU+007D` - Data of the currently logged in user. (`include=user`)\n\n"
)
_TOKEN_DESCRIPTION = "Do not supply this argument, it is automatically extracted from request headers."


def _text(name: str, source: str = "", required: bool = True) -> dict[str, Any]:
    argument: dict[str, Any] = {"arg": name, "type": "string"}
    if required:
        argument["required"] = True
    if source:
        argument["http"] = {"source": source}
    return argument


def _token_id(ctx: Any) -> Any:
    return UNDEFINED if ctx.access_token is None else ctx.access_token.id


def _verify_options(ctx: Any) -> Any:
    return ctx.model.get_verify_options()


def _own_user_id(ctx: Any) -> Any:
    """The user whom the request's token stands for; 403 when it is another user model's."""
    token = ctx.access_token
    if token is None:
        return UNDEFINED
    principal_type = member(token, "principalType")
    if principal_type is not None and principal_type != ctx.model.name:
        raise LoopbackError("Access Denied", status=403)
    return member(token, "userId")


def specifications(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The declarations by method name; ``settings`` are the user model's."""
    own_id = {"arg": "id", "type": "any", "http": _own_user_id}
    reset_scopes = ["reset-password"] if settings.get("restrictResetPasswordTokenScope") else None
    return {
        "login": {
            "description": "Login a user with username/email and password.",
            "accepts": [
                {"arg": "credentials", "type": "object", "required": True, "http": {"source": "body"}},
                {
                    "arg": "include",
                    "type": ["string"],
                    "http": {"source": "query"},
                    "description": _INCLUDE_DESCRIPTION,
                },
            ],
            "returns": {"arg": "accessToken", "type": "object", "root": True, "description": _LOGIN_RESULT},
            "http": {"verb": "post"},
        },
        "logout": {
            "description": "Logout a user with access token.",
            "accepts": [
                {
                    "arg": "access_token",
                    "type": "string",
                    "http": _token_id,
                    "description": _TOKEN_DESCRIPTION,
                }
            ],
            "http": {"verb": "all"},
        },
        "prototype.verify": {
            "description": "Trigger user's identity verification with configured verifyOptions",
            "accepts": [{"arg": "verifyOptions", "type": "object", "http": _verify_options}, _OPTIONS],
            "http": {"verb": "post"},
        },
        "confirm": {
            "description": "Confirm a user registration with identity verification token.",
            "accepts": [_text("uid"), _text("token"), _text("redirect", required=False)],
            "http": {"verb": "get", "path": "/confirm"},
        },
        "resetPassword": {
            "description": "Reset password for a user with email.",
            "accepts": [{"arg": "options", "type": "object", "required": True, "http": {"source": "body"}}],
            "http": {"verb": "post", "path": "/reset"},
        },
        "changePassword": {
            "description": "Change a user's password.",
            "accepts": [own_id, _text("oldPassword", "form"), _text("newPassword", "form"), _OPTIONS],
            "http": {"verb": "POST", "path": "/change-password"},
        },
        "setPassword": {
            "description": "Reset user's password via a password-reset token.",
            "accepts": [own_id, _text("newPassword", "form"), _OPTIONS],
            "accessScopes": reset_scopes,
            "http": {"verb": "POST", "path": "/reset-password"},
        },
    }


def declare(User: Any) -> None:
    """Declares the remote methods and their hooks on one user model."""
    for name, specification in specifications(User.settings).items():
        User.remote_method(name, specification)
    User.before_remote("create", _nobody_verifies_himself)
    User.after_remote("confirm", _redirect)


def _nobody_verifies_himself(ctx: Any) -> None:
    """A new user's address is never verified yet, whatever the body says; in arrays neither."""
    data = ctx.args.get("data")
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, dict) and truthy(item.get("emailVerified")):
            item["emailVerified"] = False


def _redirect(ctx: Any) -> None:
    target = ctx.args.get("redirect")
    if target is not None:
        ctx.response.set_header("location", target)
        ctx.response.status = 302
