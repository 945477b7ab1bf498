"""What a login request says of the user: realm, username or e-mail address.

In charge of: LoopBack's ``normalizeCredentials`` and the refusals of incomplete or forged credentials
(objects where texts belong would be query operators). Must not know: models, passwords.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import truthy


def user_query(credentials: Any, settings: dict[str, Any]) -> dict[str, str]:
    """The where clause that finds the user. Raises 400 for credentials that cannot name one.

    ``settings`` are the model's: ``realmRequired``, ``realmDelimiter`` (``realm:name`` in one text).
    """
    delimiter = settings.get("realmDelimiter")
    realm_required = bool(settings.get("realmRequired") or delimiter)
    given = credentials if isinstance(credentials, dict) else {}
    query: dict[str, Any] = {}
    if realm_required and truthy(given.get("realm")):
        query["realm"] = given["realm"]
    for name in ("email", "username"):
        if truthy(given.get(name)):
            realm, query[name] = _split(given[name], delimiter) if realm_required else ("", given[name])
            if realm:
                query["realm"] = realm
            break
    _refuse_bad(query, realm_required)
    return query


def _split(name: Any, delimiter: Any) -> tuple[str, Any]:
    """``realm`` and name of ``realm<delimiter>name``; the realm is empty when there is no delimiter in it."""
    if not delimiter or not isinstance(name, str) or delimiter not in name:
        return "", name
    realm, _, rest = name.partition(delimiter)
    return realm, rest


def _refuse_bad(query: dict[str, Any], realm_required: bool) -> None:
    if realm_required and not truthy(query.get("realm")):
        raise _refusal("realm is required", "REALM_REQUIRED")
    if realm_required and not isinstance(query["realm"], str):
        raise _refusal("Invalid realm", "INVALID_REALM")
    if not truthy(query.get("email")) and not truthy(query.get("username")):
        raise _refusal("username or email is required", "USERNAME_EMAIL_REQUIRED")
    for name in ("username", "email"):
        if truthy(query.get(name)) and not isinstance(query[name], str):
            raise _refusal(f"Invalid {name}", f"INVALID_{name.upper()}")


def _refusal(message: str, code: str) -> LoopbackError:
    return LoopbackError(message, status=400, code=code)


def wants_user(include: Any) -> bool:
    """Whether login's ``include`` (a text or a list of them, any case) asks for the user."""
    if isinstance(include, list | tuple):
        return any(isinstance(item, str) and item.lower() == "user" for item in include)
    return isinstance(include, str) and include.lower() == "user"
