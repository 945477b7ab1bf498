"""The envelope of errors: what a client may see, and in which type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenant_runtime.errors import LoopbackError
from tenant_runtime.remoting.errors import ErrorOptions, error_body, error_response
from tenant_runtime.web import WebRequest

NOT_FOUND = LoopbackError("no such thing", status=404, code="MODEL_NOT_FOUND", details={"a": 1}, hint="x")


def request(accept: str | None = "application/json", target: str = "/x") -> WebRequest:
    return WebRequest(None, "GET", target, [(b"accept", accept.encode())] if accept else [], None)


def test_client_errors_show_name_message_code_and_details() -> None:
    assert error_body(NOT_FOUND, ErrorOptions()) == {
        "statusCode": 404,
        "name": "Error",
        "message": "no such thing",
        "code": "MODEL_NOT_FOUND",
        "details": {"a": 1},
    }


@pytest.mark.parametrize(
    "error", [ValueError("secret"), LoopbackError("secret"), LoopbackError("secret", status=200)]
)
def test_server_errors_show_nothing(error: Exception) -> None:
    assert error_body(error, ErrorOptions()) == {"statusCode": 500, "message": "Internal Server Error"}


def test_a_status_may_be_a_text() -> None:
    body = error_body(LoopbackError("dup", status="422"), ErrorOptions())
    assert body["statusCode"] == "422"
    assert body["message"] == "dup"


def test_debug_shows_everything_with_the_stack() -> None:
    body = error_body(NOT_FOUND, ErrorOptions(debug=True))
    assert body["hint"] == "x"
    assert "LoopbackError: no such thing" in body["stack"]


def test_safe_fields_are_added() -> None:
    error = LoopbackError("x", status=500, errorCode="E1")
    assert error_body(error, ErrorOptions(safe_fields=("errorCode", "absent"))) == {
        "statusCode": 500,
        "message": "Internal Server Error",
        "errorCode": "E1",
    }


@pytest.mark.parametrize(
    ("accept", "target", "kind"),
    [
        ("application/json", "/x", "application/json; charset=utf-8"),
        (None, "/x", "application/json; charset=utf-8"),
        ("text/plain", "/x", "application/json; charset=utf-8"),
        ("text/html,*/*", "/x", "text/html; charset=utf-8"),
        ("application/xml", "/x", "text/xml; charset=utf-8"),
        ("application/json", "/x?_format=xml", "text/xml; charset=utf-8"),
    ],
)
def test_negotiation(accept: str | None, target: str, kind: str) -> None:
    response = error_response(NOT_FOUND, request(accept, target), ErrorOptions())
    assert response.status == 404
    assert response.header("content-type") == kind
    assert response.header("x-content-type-options") == "nosniff"


def test_xml_names_members_without_value() -> None:
    error = LoopbackError('Unknown "Item" id "99".', status=404, code="MODEL_NOT_FOUND")
    response = error_response(error, request("application/xml"), ErrorOptions())
    assert response.body == (
        b"<?xml version='1.0'?>\n<error>\n    <statusCode>404</statusCode>\n    <name>Error</name>\n"
        b'    <message>Unknown "Item" id "99".</message>\n    <code>MODEL_NOT_FOUND</code>\n'
        b"    <details>undefined</details>\n</error>"
    )


def test_html_is_escaped() -> None:
    error = LoopbackError("<script>", status=400, details={"x": "<b>"})
    body = error_response(error, request("text/html"), ErrorOptions()).body
    assert isinstance(body, bytes)
    assert b"<script>" not in body
    assert b"<b>" not in body


@pytest.mark.parametrize(
    ("root", "expected"),
    [("fault", ["fault"]), (False, ["statusCode", "name", "message", "code", "details"])],
)
def test_the_wrapper_may_be_renamed_or_left_out(root: Any, expected: list[str]) -> None:
    options = ErrorOptions.from_params({"rootProperty": root})
    body = error_response(NOT_FOUND, request(), options).body
    assert isinstance(body, bytes)
    assert list(json.loads(body)) == expected
