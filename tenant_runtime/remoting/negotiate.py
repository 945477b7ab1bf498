"""Which media type a request accepts and carries.

In charge of: ``Accept`` against a list of types (RFC 9110 section 12.5.1, with the precedence rules of the
npm package ``negotiator``), ``Content-Type`` and conditional requests. Must not know: bodies, models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: Extensions that may stand for a type in a list of supported types.
SHORT_NAMES: Final = {"json": "application/json", "xml": "application/xml", "html": "text/html"}

#: What the REST layer can send, in the order of preference (strong-remoting ``http-context``).
RESULT_TYPES: Final = (
    "application/json",
    "application/javascript",
    "application/xml",
    "text/javascript",
    "text/xml",
    "json",
    "xml",
    "*/*",
)
RESULT_TYPES_WITHOUT_XML: Final = tuple(type for type in RESULT_TYPES if "xml" not in type)

MEDIA_RANGE = re.compile(r"\s*([^\s/;]+)/([^;\s]+)\s*(?:;(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MediaRange:
    type: str
    subtype: str
    quality: float
    parameters: tuple[tuple[str, str], ...]
    position: int

    def specificity(self, type: str, subtype: str) -> int | None:
        """How exactly this range names ``type/subtype``; None when it does not match."""
        score = 0
        if self.type == type:
            score += 4
        elif self.type != "*":
            return None
        if self.subtype == subtype:
            score += 2
        elif self.subtype != "*":
            return None
        if any(value != "*" for _, value in self.parameters):
            return None  # none of our types has parameters
        return score + 1 if self.parameters else score


def parse_accept(accept: str) -> list[MediaRange]:
    ranges: list[MediaRange] = []
    for position, part in enumerate(accept.split(",")):
        match = MEDIA_RANGE.match(part)
        if not match:
            continue
        quality, parameters = 1.0, []
        for pair in (match[3] or "").split(";"):
            name, _, value = pair.partition("=")
            name, value = name.strip().lower(), value.strip().strip('"')
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
                break
            if name:
                parameters.append((name, value.lower()))
        ranges.append(MediaRange(match[1].lower(), match[2].lower(), quality, tuple(parameters), position))
    return ranges


@lru_cache(maxsize=256)
def accepted_type(accept: str | None, supported: tuple[str, ...]) -> str | None:
    """The supported type that the client likes best, spelt as in ``supported``; None when there is none.

    No field at all accepts the first. Order: quality, exactness, place in the field, place in ``supported``.
    """
    if accept is None:
        return supported[0]
    ranges = parse_accept(accept)
    best: tuple[float, int, int, int] | None = None
    chosen = None
    for index, name in enumerate(supported):
        type, _, subtype = SHORT_NAMES.get(name, name).partition("/")
        priority: tuple[int, float, int] | None = None  # of this type: the most exact range
        for media_range in ranges:
            score = media_range.specificity(type, subtype)
            if score is not None and (priority is None or score > priority[0]):
                priority = (score, media_range.quality, media_range.position)
        if priority is None or priority[1] <= 0:
            continue
        rank = (-priority[1], -priority[0], priority[2], index)
        if best is None or rank < best:
            best, chosen = rank, name
    return chosen


@lru_cache(maxsize=256)
def media_type(content_type: str | None) -> str:
    """The type of a ``Content-Type`` field, lower-case, without parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def charset(content_type: str | None) -> str:
    """The charset parameter, lower-case, or an empty text."""
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def is_fresh(if_none_match: str | None, cache_control: str | None, etag: str | None) -> bool:
    """Whether a 304 may be sent (npm package ``fresh``, ETag part): weak comparison, ``*`` matches all."""
    if if_none_match is None or (cache_control and "no-cache" in cache_control.lower()):
        return False
    if if_none_match.strip() == "*":
        return True
    if etag is None:
        return False
    opaque = etag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == opaque for part in if_none_match.split(","))
