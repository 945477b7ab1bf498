"""Answers as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mtctl import exits, render
from mtctl.commands.model import parse_property
from mtctl.session import Usage

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def tenant(**members: Any) -> dict[str, Any]:
    return {
        "id": "foo",
        "state": "active",
        "desired": "running",
        "pids": [12, 13],
        "generation": 2,
        "workers": 2,
        "restarts": 0,
        "since": "2026-01-02T11:58:30Z",
        "reason": None,
        "processes": [],
        "url": "http://127.0.0.1:9000/foo",
        **members,
    }


def test_status_has_a_row_for_each_tenant() -> None:
    rows = render.statuses([tenant(), tenant(id="bar", state="asleep", pids=[])], NOW)
    assert rows[0][:5] == ("foo", "active", "12,13", "2", "1m30s")
    assert rows[1][:3] == ("bar", "asleep", "-")
    assert {len(row) for row in rows} == {len(render.STATUS_HEADINGS)}


def test_details_show_the_last_exit_with_its_log() -> None:
    last = {
        "reason": "Crashed",
        "code": None,
        "signal": "SIGSEGV",
        "at": "2026-01-02T11:59:58Z",
        "log_tail": ["boom"],
    }
    text = render.details(
        tenant(state="auto-restart", last_exit=last, next_retry_at="2026-01-02T12:00:05Z", reason="Crashed"),
        NOW,
    )
    assert "Crashed, signal SIGSEGV, 2s ago" in text
    assert "next try in 5s" in text
    assert text.endswith("    | boom")


@pytest.mark.parametrize(
    ("action", "answer", "text"),
    [
        (
            "start",
            {"result": "done", "tenant": tenant(pids=[7])},
            "foo: started in 0.50 s, active, pid 7, http",
        ),
        (
            "stop",
            {"result": "already", "tenant": tenant(state="inactive", pids=[])},
            "foo: nothing to do, inactive",
        ),
        ("remove", {"result": "done", "tenant": None}, "foo: removed in 0.50 s"),
        (
            "sleep",
            {"result": "done", "tenant": tenant(state="asleep", pids=[])},
            "foo: asleep in 0.50 s, http",
        ),
    ],
)
def test_outcomes(action: str, answer: dict[str, Any], text: str) -> None:
    assert render.outcome(action, "foo", answer, 0.5).startswith(text)


def test_a_problem_says_where_and_what_next() -> None:
    text = render.problem(
        {
            "detail": "the new worker did not start",
            "tenant": "foo",
            "errors": [{"file": "models/a.json", "line": 3, "pointer": "/x", "detail": "unknown type"}],
            "log_tail": ["last"],
            "hint": "mtctl logs foo",
        }
    )
    assert text.splitlines() == [
        "foo: the new worker did not start",
        "  models/a.json:3 at /x: unknown type",
        "  last lines of its log:",
        "    | last",
        "  next: mtctl logs foo",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (61, "1m01s"), (3661, "1h01m"), (90_000, "1d01h")]
)
def test_spans(seconds: int, text: str) -> None:
    then = datetime.fromtimestamp(NOW.timestamp() - seconds, UTC).isoformat()
    assert render.ago(then, NOW) == text


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("age:number", {"name": "age", "type": "number", "required": False}),
        ("age", {"name": "age", "type": "string", "required": False}),
        ("a:[string]:required", {"name": "a", "type": ["string"], "required": True}),
    ],
)
def test_properties(text: str, parsed: dict[str, Any]) -> None:
    assert parse_property(text) == parsed


@pytest.mark.parametrize("text", ["", ":number", "a:number:mandatory", "a:b:required:c"])
def test_what_is_not_a_property(text: str) -> None:
    with pytest.raises(Usage):
        parse_property(text)


def test_exit_codes_of_problems() -> None:
    assert exits.of_problem("no-such-tenant") == 5
    assert exits.of_problem("start-failed") == exits.of_problem("something new") == 1
