"""Control groups: limits as files, and what is seen of an out-of-memory kill."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtgate.supervisor.cgroups import Cgroups, settings, was_out_of_memory
from mtgate.tenantdir.schema import Limits
from tests.mtgate.supervisor.supervising import make_tenant, paths_of, supervising


def test_limits_as_files() -> None:
    limits = Limits(memory_bytes=1000, processes=7, cpu_percent=150)
    assert settings(limits, frozenset(("memory", "pids", "cpu"))) == {
        "memory.max": "1000",
        "memory.swap.max": "0",
        "pids.max": "7",
        "cpu.max": "150000 100000",
    }
    assert settings(limits, frozenset()) == {}
    assert settings(Limits(memory_bytes=None), frozenset(("memory", "cpu"))) == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("oom 1\noom_kill 2\n", True), ("oom_kill 0\n", False), ("", False)]
)
def test_out_of_memory(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "memory.events").write_text(text)
    assert was_out_of_memory(tmp_path) is expected
    assert not was_out_of_memory(tmp_path / "nothing")


async def test_a_worker_has_its_own_group_and_leaves_none(tmp_path: Path) -> None:
    base = Cgroups.find(paths_of(tmp_path).run).base
    if base is None:
        pytest.skip("no control group can be made here")
    make_tenant(tmp_path, "foo")
    try:
        async with supervising(tmp_path) as supervisor:
            await supervisor.start("foo")
            pid = supervisor.status("foo").pids[0]
            assert str(pid) in (base / "foo.1.0" / "cgroup.procs").read_text().split()
            groups = Cgroups(base)
            assert groups.holding(pid) == base / "foo.1.0"
            assert groups.holding(os.getpid()) is None
            beside = groups.make("foo.1.0", Limits())
            assert beside == base / "foo.1.0.1"
            groups.remove(beside)
        Cgroups.find(paths_of(tmp_path).run)
        assert [path for path in base.iterdir() if path.is_dir()] == []
    finally:
        base.rmdir()
