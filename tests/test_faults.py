"""The table of faults: every row is there, and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/faults.md").read_text("utf-8")
#: Of what the supervisor, the gateway and the control plane have to live through.
ROWS = {*range(1, 30), *range(34, 41)}


def test_every_row_is_there() -> None:
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)} >= ROWS


def test_every_test_that_is_named_exists() -> None:
    files = {path.stem: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(\w+)::(\w+)`", TEXT)
    assert len(named) >= len(ROWS)
    missing = [f"{module}::{name}" for module, name in named if f"def {name}(" not in files.get(module, "")]
    assert missing == []


def test_every_row_names_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [line for line in rows if "::test_" not in line.rpartition(" | ")[2]] == []
