"""Passwords of users: hashed with bcrypt, in threads of their own, and never compared on the event loop.

In charge of: LoopBack's rules for passwords (``common/models/user.js``) and the cost of checking one. Must
not know: users, requests.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import bcrypt
import trio

from tenant_runtime.errors import LoopbackError

DEFAULT_WORK_FACTOR = 10
#: bcrypt looks at no more; the original refuses what is longer rather than cut it.
MAX_PASSWORD_BYTES = 72
_THREADS = 2

Result = TypeVar("Result")

_limiters: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("password-threads")


def is_hash(text: str) -> bool:
    """Whether the text is already a bcrypt hash; such a value is stored as it is."""
    return len(text) == 60 and text.startswith(("$2a$", "$2b$"))


def check_rules(plain: Any) -> None:
    """Raises 422 for a password that may not be chosen: empty, no text, or too long."""
    if not isinstance(plain, str) or not plain:
        raise LoopbackError("Invalid password.", status=422, code="INVALID_PASSWORD")
    size = len(plain.encode("utf-8", "surrogatepass"))
    if size > MAX_PASSWORD_BYTES:
        message = f"The password entered was too long. Max length is {MAX_PASSWORD_BYTES} (entered {size})"
        raise LoopbackError(message, status=422, code="PASSWORD_TOO_LONG")


async def hash_password(plain: str, work_factor: int = DEFAULT_WORK_FACTOR) -> str:
    """The bcrypt hash of a password that ``check_rules`` lets pass."""
    check_rules(plain)
    salt = bcrypt.gensalt(work_factor)
    digest = await _in_thread(bcrypt.hashpw, plain.encode("utf-8", "surrogatepass"), salt)
    return digest.decode("ascii")


def work_factor(User: Any) -> int:
    """bcrypt's cost for a user model: its setting ``saltWorkFactor``."""
    return int(User.settings.get("saltWorkFactor") or DEFAULT_WORK_FACTOR)


async def verify_password(plain: Any, stored: Any, cost: int = DEFAULT_WORK_FACTOR) -> bool:
    """Whether ``plain`` is the password that ``stored`` (a hash, or the text itself) stands for.

    Takes as long when there is nothing to compare with (``cost`` is that of the hashes there are), so that
    the time does not tell whether a user exists.
    """
    if not isinstance(plain, str) or not plain or not isinstance(stored, str) or not stored:
        await _in_thread(bcrypt.checkpw, b"nobody", _decoy(cost))
        return False
    attempt = plain.encode("utf-8", "surrogatepass")[:MAX_PASSWORD_BYTES]
    try:
        return await _in_thread(bcrypt.checkpw, attempt, stored.encode("utf-8", "surrogatepass"))
    except ValueError:  # no bcrypt hash: a row written by hand, which the original hashes when it loads it
        return hmac.compare_digest(plain.encode("utf-8", "surrogatepass"), stored.encode())


@functools.cache
def _decoy(cost: int) -> bytes:
    """A hash of nothing in particular, well formed and as costly to compare with as a real one."""
    return b"$2b$%02d$" % cost + b"." * 21 + b"u" + b"." * 30 + b"u"


async def _in_thread(function: Callable[[bytes, bytes], Result], first: bytes, second: bytes) -> Result:
    try:
        limiter = _limiters.get()
    except LookupError:
        limiter = trio.CapacityLimiter(_THREADS)
        _limiters.set(limiter)
    return await trio.to_thread.run_sync(function, first, second, limiter=limiter)
