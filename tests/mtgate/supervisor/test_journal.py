"""The journal: lines, limits, rotation, readers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from mtgate.supervisor.journal import LINE_BYTES, Journal, Lines
from mtgate.tenantdir.schema import Limits


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_lines_do_not_depend_on_how_they_arrive(data: bytes, size: int) -> None:
    whole, pieces = Lines(), Lines()
    expected = [*whole.feed(data), *whole.finish()]
    found = [line for start in range(0, len(data), size) for line in pieces.feed(data[start : start + size])]
    assert found + list(pieces.finish()) == expected


def test_a_line_without_end_is_cut() -> None:
    lines = Lines()
    found = list(lines.feed(b"x" * (3 * LINE_BYTES)))
    assert found and all(len(line) <= LINE_BYTES + 2 for line in found)


def test_tail_reads_back_what_was_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log" / "foo.log", Limits())
    journal.write(["one", "two"], "stdout", 1, 0)
    journal.write(["three"], "stderr", 2, 1)
    found = journal.tail(2)
    assert [(entry.text, entry.stream, entry.generation, entry.worker) for entry in found] == [
        ("two", "stdout", 1, 0),
        ("three", "stderr", 2, 1),
    ]
    journal.close()
    again = Journal(tmp_path / "log" / "foo.log", Limits())
    assert len(again.tail(10)) == 3


def test_files_are_bounded(tmp_path: Path) -> None:
    limits = Limits(log_bytes=2000, log_files=3, log_lines_per_second=100_000)
    journal = Journal(tmp_path / "foo.log", limits)
    for number in range(500):
        journal.write([f"line {number}"], "stdout", 1, 0)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 3
    assert max(sizes) <= 2000
    assert journal.tail(1)[0].text == "line 499"
    journal.close()


def test_a_flood_is_dropped_and_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "foo.log", Limits(log_lines_per_second=100))
    journal.write([f"{number}" for number in range(2000)], "stdout", 1, 0)
    assert journal.dropped == 1500
    journal.close()


def test_a_full_disk_costs_lines_only(tmp_path: Path) -> None:
    (tmp_path / "foo.log").symlink_to("/dev/full")  # O_NOFOLLOW refuses it, as a full disk would the write
    journal = Journal(tmp_path / "foo.log", Limits())
    journal.write(["lost"], "stdout", 1, 0)
    assert journal.dropped == 1
    assert journal.recent(1) == ["lost"]


async def test_followers_see_new_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "foo.log", Limits())
    with trio.fail_after(60):
        async with journal.follow() as channel:
            journal.write(["a", "b"], "stdout", 1, 0)
            found = [(await channel.receive()).text for _ in range(2)]
    journal.write(["nobody follows"], "stdout", 1, 0)
    assert found == ["a", "b"]
    journal.close()


def test_a_line_after_a_cut_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "foo.log"
    journal = Journal(path, Limits())
    journal.write(["one"], "stdout", 1, 0)
    journal.close()
    os.truncate(path, path.stat().st_size - 3)  # as a full disk or a crash leaves it
    journal.write(["two"], "stdout", 1, 0)
    assert [entry.text for entry in journal.tail(9)] == ["two"]
    journal.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"time": 1}'])
def test_a_cut_line_is_skipped(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foo.log"
    path.write_text(text + "\n")
    assert Journal(path, Limits()).tail(10) == []
