"""The Application model: keys for client applications."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Any

KEYS = {
    "clientKey": "client",
    "javaScriptKey": "javaScript",
    "restApiKey": "restApi",
    "windowsKey": "windows",
    "masterKey": "master",
}


def setup(Application: Any) -> None:
    Application.define("register", register)
    Application.define("resetKeys", reset_keys_of)
    Application.define("authenticate", authenticate)
    Application.define("prototype.resetKeys", reset_keys)


def observe(Application: Any) -> None:
    Application.observe("before save", _give_keys)


def generate_key(purpose: str, algorithm: str = "sha1") -> str:
    return hmac.new(purpose.encode(), secrets.token_bytes(32), getattr(hashlib, algorithm)).hexdigest()


def _give_keys(ctx: Any) -> None:
    """New keys whenever a whole application is saved; a partial update keeps them, as in the original."""
    application = ctx.instance
    if application is None:
        return
    application.created = application.modified = datetime.now(UTC)
    if not application.id:
        application.id = generate_key("id", "md5")
    _renew(application)


def _renew(application: Any) -> None:
    for name, purpose in KEYS.items():
        application[name] = generate_key(purpose)


async def register(Application: Any, owner: Any, name: str, options: dict[str, Any] | None = None) -> Any:
    """A new application of an owner."""
    return await Application.create({**(options or {}), "owner": owner, "name": name})


async def reset_keys(application: Any) -> Any:
    _renew(application)
    application.modified = datetime.now(UTC)
    return await application.save()


async def reset_keys_of(Application: Any, id: Any) -> Any:
    application = await Application.find_by_id(id)
    return None if application is None else await application.reset_keys()


async def authenticate(Application: Any, id: Any, key: str) -> dict[str, Any] | None:
    """``{"application", "keyType"}`` when the key is one of the application's, else None."""
    application = await Application.find_by_id(id)
    for name in KEYS if application is not None else ():
        if hmac.compare_digest(str(application[name]).encode(), key.encode()):
            return {"application": application, "keyType": name}
    return None
