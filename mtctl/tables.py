"""Tables for people, laid out by rich.

In charge of: columns that fit, states in colour on a terminal. A module of its own, because only the commands
that print a table should pay for importing rich.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES = {
    "active": "green",
    "activating": "yellow",
    "deactivating": "yellow",
    "auto-restart": "red",
    "failed": "red",
    "asleep": "cyan",
    "inactive": "dim",
}
_GAP = 2
#: Wider than any line where the output is not a terminal: nothing is dropped or folded there.
_UNLIMITED = 10_000


def show(headings: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO, width: int | None) -> None:
    """Print a table; columns that do not fit in ``width`` are dropped from the right, two always stay.

    Without a width (the output is not a terminal) lines have no trailing spaces and no colour.
    """
    kept = columns_that_fit(headings, rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for heading in headings[:kept]:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row[:kept]))
    console = Console(file=file, width=width or _UNLIMITED, highlight=False)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    print("\n".join(line.rstrip() for line in lines), file=file)


def columns_that_fit(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> int:
    """How many columns, from the left, stay."""
    sizes = [max(len(line[column]) for line in (headings, *rows)) for column in range(len(headings))]
    while width is not None and len(sizes) > 2 and sum(sizes) + _GAP * len(sizes) > width:
        sizes.pop()
    return len(sizes)
