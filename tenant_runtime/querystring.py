"""Query strings and forms, as express reads them: the npm package ``qs``' grammar.

In charge of: ``a=1&a=2``, ``filter[where][x]=1``, ``a[]=1``. Must not know: requests, filters. All values are
text. The common flat case is parsed here; brackets go to ``qs-codec``, a port of the same grammar.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, unquote_plus

import qs_codec

PARAMETER_LIMIT = 1000

QUERY = qs_codec.DecodeOptions(
    depth=5, list_limit=20, parameter_limit=PARAMETER_LIMIT, allow_dots=False, strict_null_handling=False
)


def parse_query(text: str) -> dict[str, Any]:
    """The query of a URL: nesting to depth 5, lists up to index 20, at most 1000 parameters."""
    if not text:
        return {}
    if "[" not in text and "%5B" not in text and "%5b" not in text:
        return parse_flat(text)
    return plain(qs_codec.decode(text, QUERY))


def parse_form(text: str) -> dict[str, Any]:
    """An extended urlencoded body: deeper than a query, lists as long as it has parameters."""
    if "[" not in text and "%5B" not in text and "%5b" not in text:
        return parse_flat(text)
    options = qs_codec.DecodeOptions(
        depth=32, list_limit=max(100, text.count("&") + 1), parameter_limit=PARAMETER_LIMIT
    )
    return plain(qs_codec.decode(text, options))


def parse_flat(text: str) -> dict[str, Any]:
    """Without brackets: a repeated name makes a list, a name alone has the value ""."""
    values: dict[str, Any] = {}
    for pair in text.split("&", PARAMETER_LIMIT)[:PARAMETER_LIMIT]:
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name, value = decode(name), decode(value)
        if name not in values:
            if name:
                values[name] = value
        elif isinstance(values[name], list):
            values[name].append(value)
        else:
            values[name] = [values[name], value]
    return values


def decode(text: str) -> str:
    """Percent-decode; bytes that are not UTF-8 leave the text as it is, as ``qs`` does."""
    if "%" not in text:
        return text.replace("+", " ") if "+" in text else text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return unquote(text.replace("+", " "), "latin-1")


def plain(values: Any) -> dict[str, Any]:
    return {str(key): clean(item) for key, item in values.items()}


def clean(value: Any) -> Any:
    """``qs-codec``'s holes become null; everything else stays."""
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value
