"""Regular expressions that a client sends, run so that none can stall a worker.

In charge of: JavaScript's syntax in terms of the ``regex`` library, its flags, LoopBack's ``like`` wildcards,
and a time budget for each query: a pattern that backtracks without end is a 400, not a hang.
Must not know: models, stores.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from typing import Any

import regex

from tenant_runtime.errors import LoopbackError

#: Seconds of processor time that all matching of one query may take together.
BUDGET_SECONDS = 0.25
MAX_PATTERN_LENGTH = 4096

_HAS_FLAGS = re.compile(r".*/.+$")
_SPECIAL = re.compile(r"[\-\[\]/{}()+?.\\^$|]")


class BrokenPattern(ValueError):
    """No regular expression of JavaScript's."""


def parse_regexp(value: Any) -> tuple[str, str]:
    """LoopBack's ``toRegExp``: "text" or "/text/flags" → pattern and flags. Raises LoopbackError."""
    if not isinstance(value, str):
        raise LoopbackError("Invalid argument, must be a string, regex literal, or RegExp object", status=400)
    pattern, flags = value, ""
    if _HAS_FLAGS.search(value):
        flags = value.rpartition("/")[2]
        invalid = [flag for flag in flags if flag not in "igm"]
        if invalid:
            raise LoopbackError(f"Invalid regex flags: {','.join(invalid)}", status=400)
        last = value.rindex("/")
        pattern = value[1 : max(last, 1)]
    try:
        translate(pattern, flags)
    except BrokenPattern as error:
        raise LoopbackError(f"Invalid regular expression: /{pattern}/: {error}", name="SyntaxError") from None
    return pattern, flags


def escape_broken(text: str) -> str:
    """A pattern that is no regular expression, with its special characters taken literally."""
    try:
        translate(text, "")
    except BrokenPattern:
        return _SPECIAL.sub(lambda match: "\\" + match.group(), text)
    return text


def like_pattern(text: str) -> str:
    """The memory connector's like: ``%`` and ``_`` are wildcards, the rest is a regular expression."""
    return text.replace("%", ".*").replace("_", ".")


@functools.lru_cache(maxsize=512)
def translate(pattern: str, flags: str) -> regex.Pattern[str]:
    """The compiled pattern. Raises BrokenPattern."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise BrokenPattern("the pattern is too long")
    options = regex.V0
    if "i" in flags:
        options |= regex.IGNORECASE
    if "m" in flags:
        options |= regex.MULTILINE
    if "s" in flags:
        options |= regex.DOTALL
    try:
        return regex.compile(python_syntax(pattern, "m" in flags), options)
    except (regex.error, OverflowError, RecursionError) as error:
        raise BrokenPattern(str(error)) from None


def python_syntax(pattern: str, multiline: bool) -> str:
    """JavaScript's syntax in Python's: ASCII classes, ``$`` only at the very end, ``[^]``, named groups."""
    out: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        token = pattern[at]
        rest = pattern[at:]
        if token == "\\" and at + 1 < len(pattern):
            token = pattern[at : at + 2]
            out.append(_escape(token[1], in_class))
        elif in_class:
            in_class = token != "]"
            out.append("\\" + token if token in "[&|~" else token)
        elif rest.startswith(("[^]", "[]")):
            token = "[^]" if rest.startswith("[^]") else "[]"
            out.append(r"[\s\S]" if token == "[^]" else "(?!)")
        elif rest.startswith("(?<") and rest[3:4] not in ("=", "!"):
            token = "(?<"
            out.append("(?P<")
        else:
            in_class = token == "["
            out.append(r"\Z" if token == "$" and not multiline else token)
        at += len(token)
    return "".join(out)


def _escape(letter: str, in_class: bool) -> str:
    ranges = {"d": "0-9", "w": "A-Za-z0-9_"}.get(letter.lower())
    if ranges is not None and letter.islower():
        return ranges if in_class else f"[{ranges}]"
    if ranges is not None and not in_class:
        return f"[^{ranges}]"
    if letter.isalpha() and letter not in "bBsSDWnrtfvxuck":
        return letter  # JavaScript takes an unknown escape for the letter
    return "\\" + letter


class Budget:
    """Makes matchers that share one query's time."""

    def __init__(self, seconds: float = BUDGET_SECONDS) -> None:
        self._left = seconds

    def matcher(self, pattern: str, flags: str = "") -> Callable[[str], bool]:
        """``RegExp(pattern, flags).test``; raises LoopbackError for a broken pattern or when time is up."""
        try:
            compiled = translate(pattern, flags)
        except BrokenPattern as error:
            raise LoopbackError(
                f"Invalid regular expression: /{pattern}/: {error}", name="SyntaxError"
            ) from None

        def test(text: str) -> bool:
            if self._left <= 0:
                raise _too_slow()
            started = time.thread_time()  # a busy machine must not make an innocent pattern slow
            try:
                return compiled.search(text, timeout=self._left) is not None
            except TimeoutError:
                raise _too_slow() from None
            finally:
                self._left -= time.thread_time() - started

        return test


def _too_slow() -> LoopbackError:
    return LoopbackError(
        f"The regular expression takes more than {BUDGET_SECONDS} seconds", status=400, code="REGEXP_TOO_SLOW"
    )
