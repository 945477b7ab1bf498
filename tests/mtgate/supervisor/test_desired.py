"""The state file: whole or refused, never guessed at."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from mtgate.supervisor.desired import DesiredState, StateUnreadable, Wanted, parse, render, replace_file

wanted = st.builds(
    Wanted,
    desired=st.sampled_from(["running", "stopped", "removing", "removed"]),
    uid=st.none() | st.integers(1, 10**6),
    workers=st.none() | st.integers(1, 9),
    generation=st.integers(0, 10**9),
    asleep=st.booleans(),
)


@given(st.dictionaries(st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), wanted), st.integers(0, 10**6))
def test_what_is_written_is_read(tenants: dict[str, Wanted], next_uid: int) -> None:
    assert parse(render(tenants, next_uid), Path("x")) == (tenants, next_uid)


GOOD = render({"foo": Wanted(), "zoo": Wanted(desired="stopped")}, 2)


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"", 1, "not JSON"),
        (GOOD[:-10], 4, "not JSON"),
        (b"[]", 1, '"version"'),
        (GOOD.replace(b'"version": 1', b'"version": 2'), 1, '"version"'),
        (GOOD.replace(b"foo", b"f\xffo"), 3, "UTF-8"),
        (GOOD.replace(b'"stopped"', b'"paused"'), 4, "paused"),
        (GOOD.replace(b'"asleep": false', b'"asleep": 3', 1), 3, "asleep"),
        (GOOD.replace(b'"asleep"', b'"tired"', 1), 3, "keys"),
        (GOOD.replace(b'"next_uid": 2', b'"next_uid": -2'), 1, "next_uid"),
    ],
)
def test_a_corrupted_file_is_named_and_refused(data: bytes, line: int, word: str) -> None:
    with pytest.raises(StateUnreadable, match=f"tenants.json:{line}: .*{word}"):
        parse(data, Path("tenants.json"))


def test_no_mutation_gives_a_traceback() -> None:
    chance = random.Random(17)
    for _ in range(300):
        data = bytearray(GOOD)
        for _ in range(chance.randint(1, 3)):
            position = chance.randrange(len(data))
            data[position : position + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 3))
        try:
            parse(bytes(data), Path("x"))
        except StateUnreadable:
            continue


def test_the_previous_content_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tenants.json"
    replace_file(path, b"1")
    replace_file(path, b"2")
    assert (path.read_bytes(), path.with_name("tenants.json.previous").read_bytes()) == (b"2", b"1")
    assert path.stat().st_mode & 0o777 == 0o600


async def test_commits_made_together_share_a_write(tmp_path: Path) -> None:
    desired = DesiredState(tmp_path)

    async def change(name: str) -> None:
        desired.tenants[name] = Wanted()
        await desired.commit()
        assert name in json.loads(desired.path.read_text())["tenants"]

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(change, f"t{number}")
    again = DesiredState(tmp_path)
    again.load()
    assert again.tenants.keys() == desired.tenants.keys()


async def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    desired = DesiredState(tmp_path)
    desired.tenants["foo"] = Wanted()
    await desired.commit()
    (tmp_path / "tenants.json.new").unlink(missing_ok=True)
    (tmp_path / "tenants.json.new").symlink_to("/dev/full")
    desired.tenants["bar"] = Wanted()
    with pytest.raises(OSError):
        await desired.commit()
    again = DesiredState(tmp_path)
    again.load()
    assert list(again.tenants) == ["foo"]


def test_a_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Fault matrix, row 10: three hundred times, while the file is being replaced again and again."""
    path = tmp_path / "tenants.json"
    chance = random.Random(10)
    contents = [render({"foo": Wanted(generation=number)}, number) for number in (1, 2)]
    replace_file(path, contents[0])
    for _ in range(300):
        pid = os.fork()
        if pid == 0:
            while True:
                for data in contents:
                    replace_file(path, data)
        try:
            time.sleep(chance.random() * 0.003)  # the moment itself is what is tried
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert path.read_bytes() in contents
