"""The User model: logging in and out, passwords, confirmation of e-mail addresses.

In charge of: what LoopBack's ``common/models/user.js`` adds to the model's JSON; the texts of the errors are
its own. Passwords are hashed in ``passwords``, requests for a user are read in ``credentials``, sending
mail is ``verification``'s, what happens around saving is ``user_hooks``'.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import trio

from tenant_runtime.builtin import user_hooks, user_remotes, verification
from tenant_runtime.builtin.credentials import user_query, wants_user
from tenant_runtime.builtin.email_address import is_email_address
from tenant_runtime.builtin.passwords import check_rules, is_hash, verify_password, work_factor
from tenant_runtime.builtin.throttle import Throttle
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.javascript import UNDEFINED, to_number, truthy
from tenant_runtime.remoting.context import current_context

DEFAULT_TTL_SECONDS = 1_209_600  # two weeks
DEFAULT_MAX_TTL_SECONDS = 31_556_926  # a year
DEFAULT_RESET_TTL_SECONDS = 900
Options = dict[str, Any] | None

_guesses = Throttle()


@dataclass(frozen=True, slots=True)
class PasswordResetRequest:
    """What handlers of a user model's event ``resetPasswordRequest`` are given."""

    email: str
    access_token: Any
    user: Any
    options: dict[str, Any]

    @property
    def accessToken(self) -> Any:
        return self.access_token


def observe(User: Any) -> None:
    """What models derived from User inherit: called once, for User itself."""
    user_hooks.observe(User)


def setup(User: Any) -> None:
    """What each user model has for itself: called for User and for every model derived from it."""
    settings = User.settings
    settings["maxTTL"] = settings.get("maxTTL") or DEFAULT_MAX_TTL_SECONDS
    settings["ttl"] = settings.get("ttl") or DEFAULT_TTL_SECONDS
    User.setters["email"] = _set_email
    User.setters["password"] = _set_password
    for name, function in METHODS.items():
        User.define(name, function)
    user_remotes.declare(User)
    User.validate("email", _report_bad_email, message="Must provide a valid email")
    by_realm = settings.get("realmRequired") and settings.get("realmDelimiter")
    scope = {"scopedTo": ["realm"]} if by_realm else {}
    User.validates_uniqueness_of("email", message="Email already exists", **scope)
    User.validates_uniqueness_of("username", message="User already exists", **scope)


def _set_email(User: Any, value: Any) -> Any:
    lower = not User.settings.get("caseSensitiveEmail") and isinstance(value, str)
    return value.lower() if lower else value


def _set_password(User: Any, value: Any) -> Any:
    """A text that may be a password, or is a hash already; what is no text leaves the property unset.

    The original hashes here; that takes a thread, so it is done first thing when the user is saved.
    """
    if not isinstance(value, str):
        return UNDEFINED
    if not is_hash(value):
        check_rules(value)
    return value


def _report_bad_email(user: Any, report: Any) -> None:
    email = user["email"]
    if email is None or email == "":
        return
    if not isinstance(email, str):
        report("string")
    elif not is_email_address(email):
        report("email")


async def login(User: Any, credentials: Any, include: Any = None) -> Any:
    """A new access token for the user whom the credentials name; with its ``user`` when ``include`` says so.

    Raises 400 for credentials that name nobody, 401 when they are wrong: after the same time, and with the
    same text, whether or not the user exists.
    """
    query = user_query(credentials, User.settings)
    key = (User.name, *query.values(), _caller())
    wait_seconds = _guesses.wait_seconds(key, time.monotonic())
    if wait_seconds:
        await trio.sleep(wait_seconds)
    try:
        user = await User.find_one({"where": query})
    except LoopbackError:
        user = None
    if not await _matches(User, user, credentials.get("password")):
        _guesses.failed(key, time.monotonic())
        raise LoopbackError("login failed", status=401, code="LOGIN_FAILED")
    _guesses.succeeded(key)
    if User.settings.get("emailVerificationRequired") and not user["emailVerified"]:
        raise LoopbackError(
            "login failed as the email has not been verified",
            status=401,
            code="LOGIN_FAILED_EMAIL_NOT_VERIFIED",
            details={"userId": user.id},
        )
    token = await user.create_access_token(credentials.get("ttl"))
    if wants_user(include):
        token["user"] = user
    return token


async def _matches(User: Any, user: Any, password: Any) -> bool:
    if user is None:
        return await verify_password(password, None, work_factor(User))
    return bool(await user.has_password(password))


def _caller() -> str:
    """The client's address, empty when code logs in."""
    ctx = current_context.get()
    return "" if ctx is None else ctx.request.ip


async def create_access_token(user: Any, ttl: Any = None, options: Options = None) -> Any:
    """A token for the user. ``ttl`` is seconds, or a dict of the token's properties (``ttl``, ``scopes``)."""
    data = dict(ttl) if isinstance(ttl, dict) else {"ttl": ttl}
    settings = user.model.settings
    wanted = to_number(data.get("ttl") or settings["ttl"])
    longest = to_number(settings["maxTTL"])
    data["ttl"] = wanted if wanted != wanted else min(wanted, longest)  # NaN stays, as with Math.min
    return await user.relation("accessTokens").create(data, options)


async def logout(User: Any, token_id: Any = None) -> None:
    """Removes the token. Raises 401 when there is none."""
    if not token_id:
        raise LoopbackError("accessToken is required to logout", status=401)
    done = await User.relations["accessTokens"].model_to.delete_by_id(token_id)
    if done.get("count") == 0:
        raise LoopbackError("Could not find accessToken", status=401)


async def has_password(user: Any, plain: Any) -> bool:
    """Whether ``plain`` is the user's password."""
    return await verify_password(plain, user["password"], work_factor(user.model))


async def change_password(
    User: Any, user_id: Any, old_password: Any, new_password: Any, options: Options = None
) -> None:
    """Sets a new password when the old one is right. Raises 401 without such a user, 400 for a wrong one."""
    user = await _existing(User, user_id, options)
    await user.change_password(old_password, new_password, options)


async def change_own_password(
    user: Any, old_password: Any, new_password: Any, options: Options = None
) -> None:
    if not await user.has_password(old_password):
        raise LoopbackError("Invalid current password", status=400, code="INVALID_PASSWORD")
    await user.set_password(new_password, options)


async def set_password(User: Any, user_id: Any, new_password: Any, options: Options = None) -> None:
    """Sets a new password without asking for the old one. Raises 401 without such a user."""
    user = await _existing(User, user_id, options)
    await user.set_password(new_password, options)


async def set_own_password(user: Any, new_password: Any, options: Options = None) -> None:
    check_rules(new_password)
    await user.patch_attributes({"password": new_password}, {**(options or {}), "setPassword": True})


async def _existing(User: Any, user_id: Any, options: Options) -> Any:
    user = await User.find_by_id(user_id, None, options)
    if user is None:
        raise LoopbackError(f"User {user_id} not found", status=401, code="USER_NOT_FOUND")
    return user


async def confirm(User: Any, uid: Any, token: str, redirect: str | None = None) -> None:
    """Marks the user's e-mail address as verified. Raises 404 without such a user, 400 for a wrong token."""
    user = await User.find_by_id(uid)
    if user is None:
        raise LoopbackError(f"User not found: {uid}", status=404, code="USER_NOT_FOUND")
    if user["verificationToken"] != token:
        raise LoopbackError(f"Invalid token: {token}", status=400, code="INVALID_TOKEN")
    user.verificationToken = None
    user.emailVerified = True
    await user.save()


async def reset_password(User: Any, options: dict[str, Any]) -> None:
    """Makes a short-lived token for the user of that e-mail address and emits ``resetPasswordRequest``.

    Sending it is up to the app. Raises 400 without an address, 404 for an unknown, 401 for an unverified one.
    """
    options = options or {}
    settings = User.settings
    if not isinstance(options.get("email"), str):
        raise LoopbackError("Email is required", status=400, code="EMAIL_REQUIRED")
    if truthy(options.get("password")):
        check_rules(options["password"])
    where = {"email": options["email"]}
    if truthy(options.get("realm")):
        where["realm"] = options["realm"]
    user = await User.find_one({"where": where})
    if user is None:
        raise LoopbackError("Email not found", status=404, code="EMAIL_NOT_FOUND")
    if settings.get("emailVerificationRequired") and not user["emailVerified"]:
        raise LoopbackError("Email has not been verified", status=401, code="RESET_FAILED_EMAIL_NOT_VERIFIED")
    data: dict[str, Any] = {"ttl": settings.get("resetPasswordTokenTTL") or DEFAULT_RESET_TTL_SECONDS}
    if settings.get("restrictResetPasswordTokenScope"):
        data["scopes"] = ["reset-password"]
    token = await user.create_access_token(data)
    await User.emit("resetPasswordRequest", PasswordResetRequest(options["email"], token, user, options))


METHODS = {
    "login": login,
    "logout": logout,
    "confirm": confirm,
    "resetPassword": reset_password,
    "changePassword": change_password,
    "setPassword": set_password,
    "getVerifyOptions": verification.verify_options,
    "generateVerificationToken": verification.generate_token,
    "prototype.createAccessToken": create_access_token,
    "prototype.hasPassword": has_password,
    "prototype.changePassword": change_own_password,
    "prototype.setPassword": set_own_password,
    "prototype.verify": verification.verify,
}
