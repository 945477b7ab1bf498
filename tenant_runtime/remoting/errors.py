"""An error as a response: LoopBack's envelope in JSON, HTML or XML.

In charge of: what a client may see of an error. 4xx show name, message, code and details; 5xx only the
standard phrase, unless ``debug``. Must not know: where the error came from, the log.

Source: strong-error-handler 3.5, reference section 1.12.
"""

from __future__ import annotations

import html
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.json import dumps
from tenant_runtime.remoting.negotiate import accepted_type
from tenant_runtime.remoting.xml import error_xml
from tenant_runtime.web import WebRequest, WebResponse

ERROR_TYPES: Final = ("application/json", "json", "text/html", "html", "text/xml", "xml")

#: Members of the envelope that the HTML page shows in its own places.
STANDARD_MEMBERS: Final = ("name", "statusCode", "message", "stack")


@dataclass(frozen=True, slots=True)
class ErrorOptions:
    """``strong-error-handler``'s params; ``root`` is False when the envelope has no wrapper."""

    debug: bool = False
    log: bool | None = None  # None: 5xx only; True: 4xx too; False: nothing
    safe_fields: tuple[str, ...] = ()
    root: str | bool = "error"
    default_type: str | None = None
    negotiate: bool = True

    @classmethod
    def from_params(cls, params: Mapping[str, Any] | None) -> ErrorOptions:
        params = params or {}
        safe_fields = params.get("safeFields") or []
        root = params.get("rootProperty")
        return cls(
            debug=bool(params.get("debug")),
            log=params.get("log"),
            safe_fields=tuple([safe_fields] if isinstance(safe_fields, str) else safe_fields),
            root=False if root is False else str(root or "error"),
            default_type=params.get("defaultType"),
            negotiate=params.get("negotiateContentType") is not False,
        )


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Error"


def status_number(status: Any) -> int:
    """The number of the response line; what is no error status is a 500."""
    try:
        number = int(status)
    except (TypeError, ValueError):
        return 500
    return number if 400 <= number <= 599 else 500


def error_members(error: BaseException) -> dict[str, Any]:
    """Every public member of the error, as JavaScript's enumerable properties."""
    if isinstance(error, LoopbackError):
        members: dict[str, Any] = {"name": error.name, "message": error.message}
        if error.status is not None:
            members["statusCode"] = error.status
        for name in ("code", "details"):
            if getattr(error, name) is not None:
                members[name] = getattr(error, name)
        return members | error.properties
    return {"name": type(error).__name__, "message": str(error)}


def error_body(error: Any, options: ErrorOptions) -> dict[str, Any]:
    """The envelope's content for one error, or for a list of them (a batch with failures)."""
    several = getattr(error, "errors", None)
    if isinstance(several, (list, tuple)):
        return {
            "statusCode": 500,
            "message": "Failed with multiple errors, see `details` for more information.",
            "details": [None if one is None else error_body(one, options) for one in several],
        }
    status = getattr(error, "status", 500)
    if status_number(status) == 500:
        status = 500
    body: dict[str, Any] = {"statusCode": status}
    members = error_members(error)
    if options.debug:
        for name, value in members.items():
            body.setdefault(name, value)
        body["stack"] = "".join(traceback.format_exception(error))
        return body
    if status_number(status) < 500:
        for name in ("name", "message", "code", "details"):
            if name in members:
                body[name] = members[name]
    elif members.get("expose"):
        body |= {"name": phrase(status_number(status)), "message": members["message"]}
    else:
        body["message"] = phrase(status_number(status))
    for name in options.safe_fields:
        if name in members:
            body[name] = members[name]
    return body


def content_kind(request: WebRequest, options: ErrorOptions) -> tuple[str, str | None]:
    """``json``, ``html`` or ``xml``, and the warning when ``_format`` asked for something else."""
    default = options.default_type if options.default_type in ERROR_TYPES else "json"
    chosen = accepted_type(request.header("accept"), ERROR_TYPES) or default
    if not options.negotiate:
        chosen = options.default_type if options.default_type in ERROR_TYPES else chosen
    warning = None
    if request.query_string and (wanted := request.query.get("_format")):
        if wanted in ERROR_TYPES:
            chosen = wanted
        else:
            warning = f'Response _format "{wanted}" is not supportedused "{default}" instead"'
    return (chosen or "json").rpartition("/")[2], warning


def error_response(error: BaseException, request: WebRequest, options: ErrorOptions) -> WebResponse:
    """The one place where an exception becomes bytes for a client."""
    body = error_body(error, options)
    kind, warning = content_kind(request, options)
    headers = [(b"x-content-type-options", b"nosniff")]
    headers += getattr(error, "headers", ())
    response = WebResponse(status_number(body["statusCode"]), headers)
    if warning:
        response.add_header("x-warning", warning)
    if kind == "json":
        response.body = dumps(body if options.root is False else {str(options.root): body})
        response.headers.append((b"content-type", b"application/json; charset=utf-8"))
    elif kind == "xml":
        shown = body if "stack" in body else xml_members(body)
        response.body = error_xml(shown, str(options.root or "error")).encode()
        response.headers.append((b"content-type", b"text/xml; charset=utf-8"))
    else:
        response.body = error_page(body).encode()
        response.headers.append((b"content-type", b"text/html; charset=utf-8"))
    return response


def xml_members(body: dict[str, Any]) -> dict[str, Any]:
    """A client error's XML names the members that have no value, too: ``<code>undefined</code>``."""
    if "name" not in body:
        return body
    members = {
        name: body.get(name, "undefined") for name in ("statusCode", "name", "message", "code", "details")
    }
    return members | {name: value for name, value in body.items() if name not in members}


def error_page(body: dict[str, Any]) -> str:
    """A small page: status, name and message as title, the other members below."""
    title = html.escape(str(body.get("name") or "Error"))
    message = html.escape(str(body.get("message") or ""))
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd><pre>{html.escape(str(value))}</pre></dd>"
        for name, value in body.items()
        if name not in STANDARD_MEMBERS and value
    )
    stack = f"<pre>{html.escape(str(body['stack']))}</pre>" if "stack" in body else ""
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8">'
        f"<title>{title}</title></head><body><h1>{title}</h1>"
        f"<h2><em>{body['statusCode']}</em> {message}</h2><dl>{rows}</dl>{stack}</body></html>"
    )
