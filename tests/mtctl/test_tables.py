"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest

from mtctl import tables

ROWS = [("aaaa", "active", "c")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(rows: list[tuple[str, ...]], width: int | None) -> str:
    file = io.StringIO()
    tables.show(("A", "B", "CCCCC"), rows, file, width)
    return file.getvalue()


def test_columns_are_aligned_without_trailing_spaces() -> None:
    assert printed(ROWS, None) == "A     B       CCCCC\naaaa  active  c\n"


def test_a_table_fits_by_dropping_columns_from_the_right() -> None:
    assert printed(ROWS, 18) == "A     B\naaaa  active\n"


def test_nothing_is_dropped_or_folded_in_a_pipe() -> None:
    assert printed([("a" * 300, "active", "c")], None).splitlines()[1] == "a" * 300 + "  active  c"


def test_states_have_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    tables.show(("A", "B", "CCCCC"), ROWS, file, 80)
    assert "\x1b[32mactive\x1b[0m" in file.getvalue()


def test_text_is_not_markup() -> None:
    assert "[bold]x[/bold]" in printed([("[bold]x[/bold]", "", "")], None)
