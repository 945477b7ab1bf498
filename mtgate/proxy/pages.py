"""The gateway's own answers.

In charge of: refusals and faults as problem+json (RFC 9457) or a small page, as the client asks, and what
``/`` says. Must not know: connections. Pure.
"""

from __future__ import annotations

import html
import json

from mtgate.http1.message import REASONS

PROBLEM = b"application/problem+json"
HTML = b"text/html; charset=utf-8"

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{status} {title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:36em;margin:4em auto;padding:0 1em;color:#223}}</style>
<h1>{status} {title}</h1><p>{detail}</p><p><small>mtgate · request {request_id}</small></p></html>
"""

_INDEX = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mtgate</title><p>{text}</p></html>
"""


def prefers_html(accept: bytes | None) -> bool:
    """A browser asks for text/html first.

    Clients of APIs for JSON, for anything, or for nothing in particular.
    """
    if not accept:
        return False
    accept = accept.lower()
    place = accept.find(b"text/html")
    json_place = accept.find(b"json")
    return place >= 0 and (json_place < 0 or place < json_place)


def problem(
    status: int, code: str, detail: str, request_id: str, accept: bytes | None, pages: dict[str, str]
) -> tuple[bytes, bytes]:
    """Content type and body.

    ``pages``: HTML templates by status, ``default`` for the rest, ``{detail}`` and so on.
    """
    title = REASONS.get(status, b"Error").decode("ascii")
    if prefers_html(accept):
        template = pages.get(str(status)) or pages.get("default")
        values = {"status": str(status), "title": title, "detail": detail, "request_id": request_id}
        escaped = {name: html.escape(value) for name, value in values.items()}
        if template is None:
            return HTML, _PAGE.format(**escaped).encode()
        for name, value in escaped.items():
            template = template.replace("{" + name + "}", value)
        return HTML, template.encode()
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    return PROBLEM, json.dumps(document).encode()


def index(accept: bytes | None) -> tuple[bytes, bytes]:
    """Content type and body of ``/``."""
    text = "This is mtgate, a gateway: the first segment of a path names the tenant that serves the rest."
    if prefers_html(accept):
        return HTML, _INDEX.format(text=text).encode()
    return b"application/json", json.dumps({"name": "mtgate", "description": text}).encode()
