"""The daemon's own log."""

from __future__ import annotations

import logging
from pathlib import Path

from mtgate.log import BoundedHandler, LogFile


def test_a_full_file_is_copied_and_emptied(tmp_path: Path) -> None:
    path = tmp_path / "mtgate.log"
    with open(path, "a") as stream:
        logger = logging.Logger("daemon")
        logger.addHandler(BoundedHandler(stream, LogFile(path, max_bytes=100, keep=3)))
        for number in range(50):
            logger.info("line %02d", number)
    files = [tmp_path / f"mtgate.log{suffix}" for suffix in (".2", ".1", "")]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    lines = "".join(file.read_text() for file in files).splitlines()
    assert lines == [f"line {number:02}" for number in range(50 - len(lines), 50)]
    assert len(lines) > 20 and all(file.stat().st_size <= 108 for file in files)


def test_one_file_alone_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "mtgate.log"
    path.write_text("old\n" * 100)
    LogFile(path, max_bytes=100, keep=1).empty()
    assert path.read_text() == "" and list(tmp_path.iterdir()) == [path]


def test_only_the_file_behind_the_descriptor_is_ours(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "mtgate.log", max_bytes=100, keep=3)
    with open(tmp_path / "other.log", "w") as other:
        assert not file.is_open_as(other.fileno())  # there is none at all
        file.path.touch()
        assert not file.is_open_as(other.fileno())
    with open(file.path, "a") as own:
        assert file.is_open_as(own.fileno())
