"""Access tokens: where a request carries one, whether it is still good, and sweeping those that are not.

In charge of: the lookup rules of ``loopback#token`` and ``AccessToken``. Must not know: HTTP messages (the
parts of the request come as arguments), who may do what (``access.acl``).
"""

from __future__ import annotations

import base64
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tenant_runtime.access.context import member, text_of
from tenant_runtime.errors import LoopbackError

log = logging.getLogger(__name__)

DEFAULT_TOKEN_LENGTH = 64
_TOKEN_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_USER_PASSWORD = re.compile(r"([^:]*):(.*)")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
#: An expired token is kept that long, so that its bearer is told that it is invalid, not that there is none.
SWEEP_GRACE = timedelta(days=1)
_SWEEP_PAGE = 1000


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """The ``params`` of ``loopback#token``. ``model`` is the token model's name, None for the app's own."""

    params: tuple[str, ...] = ("access_token",)
    headers: tuple[str, ...] = ("x-access-token", "authorization")  # in lower case
    cookies: tuple[str, ...] = ("access_token", "authorization")
    bearer_base64: bool = True
    current_user_literal: str | None = None
    model: str | None = None
    enable_doublecheck: bool = False
    overwrite_existing_token: bool = False

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> TokenOptions:
        """From the entry in ``middleware.json``; names given there are looked at before the default ones."""
        default = cls()
        search_defaults = params.get("searchDefaultTokenKeys") is not False

        def keys(name: str, defaults: tuple[str, ...]) -> tuple[str, ...]:
            own = tuple(str(key) for key in params.get(name) or ())
            return own + defaults if search_defaults else own

        literal = params.get("currentUserLiteral")
        encoded = params.get("bearerTokenBase64Encoded")
        model = params.get("model")
        return cls(
            params=keys("params", default.params),
            headers=tuple(key.lower() for key in keys("headers", default.headers)),
            cookies=keys("cookies", default.cookies),
            bearer_base64=True if encoded is None else bool(encoded),
            current_user_literal=(literal if isinstance(literal, str) else "me") if literal else None,
            model=model if isinstance(model, str) else None,
            enable_doublecheck=bool(params.get("enableDoublecheck")),
            overwrite_existing_token=bool(params.get("overwriteExistingToken")),
        )


def find_id(
    options: TokenOptions,
    *,
    header: Callable[[str], str | None],
    query: Mapping[str, Any],
    body: Any = None,
    signed_cookies: Mapping[str, Any] | None = None,
) -> str | None:
    """The token's id that a request carries: parameters first, then headers, then signed cookies.

    ``body`` is what a parser before the token middleware made of it, None when none ran (the usual case: the
    REST layer parses bodies later). The empty text is returned as it stands for parameters, and stops the
    search: the original does so too.
    """
    fields = body if isinstance(body, dict) else {}
    if fields or query:
        for name in options.params:
            value = fields[name] if name in fields else query.get(name)
            if isinstance(value, str):
                return value
    for name in options.headers:
        text = header(name)
        if text:
            return _credentials(text, options.bearer_base64)
    if signed_cookies:
        for name in options.cookies:
            value = signed_cookies.get(name)
            if isinstance(value, str):
                return value
    return None


def _credentials(text: str, bearer_base64: bool) -> str:
    """The id inside a header's value: alone, after ``Bearer`` (RFC 6750) or in ``Basic`` credentials."""
    if text.startswith("Bearer "):
        return _from_base64(text[7:]) if bearer_base64 else text[7:]
    if text[:6].lower() == "basic ":
        text = _from_base64(text[6:])
        # Either part may hold the token ("user:token", "token:"): it is the longer one.
        if parts := _USER_PASSWORD.fullmatch(text):
            user, password = parts.groups()
            return password if len(password) > len(user) else user
    return text


def _from_base64(text: str) -> str:
    """Decodes as Node's Buffer does: both alphabets, anything else skipped, bad UTF-8 replaced."""
    clean = _NOT_BASE64.sub("", text.replace("-", "+").replace("_", "/"))
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return base64.b64decode(clean + "=" * (-len(clean) % 4)).decode("utf-8", "replace")


def rewrite_user_literal(target: str, literal: str | None, token: Any) -> str:
    """Puts the caller's id in the place of ``/me/`` in a request target.

    Raises 401 when the literal is there and the request has no token.
    """
    if not literal:
        return target
    pattern = re.compile("/" + re.escape(literal) + r"(/|$|\?)")
    user_id = member(token, "userId") if token is not None else None
    if user_id:
        return pattern.sub(lambda found: f"/{text_of(user_id)}{found.group(1)}", target)
    if token is None and pattern.search(target):
        raise LoopbackError("Authorization Required", status=401, code="AUTHORIZATION_REQUIRED")
    return target


def create_id(length: int = DEFAULT_TOKEN_LENGTH) -> str:
    """A new random token id."""
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(length))


def is_live(created: Any, ttl: Any, *, eternal_allowed: bool, now: datetime) -> bool:
    """Whether a token made at ``created`` that lives ``ttl`` seconds (-1: for ever) is good at ``now``.

    Raises an error of status 500 for a row that is no token (no date, no ttl), as the original's assertions.
    """
    if not isinstance(created, datetime):
        raise LoopbackError("token.created must be a valid Date")
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not ttl:
        raise LoopbackError("token.ttl must be not be 0" if ttl == 0 else "token.ttl must exist")
    if ttl < -1:
        raise LoopbackError("token.ttl must be >= -1")
    if ttl == -1:
        return eternal_allowed
    return (now - created).total_seconds() < ttl


async def resolve(tokens: Any, id: str | None) -> Any:
    """The token's instance of that id, None when there is none; expired ones are removed.

    ``tokens`` is the AccessToken model (or a subclass of it). Raises 401 INVALID_TOKEN for an expired token.
    """
    if not id:
        return None
    token = await tokens.find_by_id(id)
    if token is None:
        return None
    user_model = _user_model(tokens, token)
    eternal = bool(user_model is not None and user_model.settings.get("allowEternalTokens"))
    now = datetime.now(UTC)
    if user_model is not None or not member(token, "principalType"):
        if is_live(token.created, token.ttl, eternal_allowed=eternal, now=now):
            return token
        await token.delete()
    raise LoopbackError("Invalid Access Token", status=401, code="INVALID_TOKEN")


def _user_model(tokens: Any, token: Any) -> Any:
    """The user model that the token is for: its principalType's, else the target of its ``user`` relation."""
    principal_type = member(token, "principalType")
    if principal_type:
        return tokens.app.registry.find(principal_type)
    relation = tokens.relations.get("user")
    return relation.model_to if relation is not None else None


async def sweep(tokens: Any, *, now: datetime) -> int:
    """Deletes the tokens that expired longer than ``SWEEP_GRACE`` ago; returns how many.

    The lifetime stands in each row, so no where clause can tell: rows are read a page at a time.
    """
    id_name = tokens.definition.id_property.name
    swept, last = 0, None
    while True:
        where = {"created": {"lt": (now - SWEEP_GRACE).isoformat()}}
        if last is not None:
            where[id_name] = {"gt": last}
        page = await tokens.find({"where": where, "order": f"{id_name} ASC", "limit": _SWEEP_PAGE})
        dead = [token.id for token in page if _is_long_dead(token, now)]
        if dead:
            await tokens.destroy_all({id_name: {"inq": dead}})
            swept += len(dead)
        if len(page) < _SWEEP_PAGE:
            return swept
        last = page[-1].id


def _is_long_dead(token: Any, now: datetime) -> bool:
    created, ttl = member(token, "created"), member(token, "ttl")
    if not isinstance(created, datetime) or not isinstance(ttl, int | float) or ttl <= 0:
        return False
    return now - created > timedelta(seconds=ttl) + SWEEP_GRACE
