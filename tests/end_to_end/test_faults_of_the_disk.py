"""A disk that is full or read-only under the daemon: a small tmpfs in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.harness import Gateway, new_gateway, wait_for

DISK_BYTES = 4 * 1024 * 1024
UNSHARE = ["unshare", "--mount", "--propagation", "private"]


def can_mount() -> bool:
    """Whether a mount namespace can be made, and anything mounted in it."""
    command = [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not can_mount(), reason="mounts of its own need root and the right to make them"),
]

TALKS = """def boot(app):
    def saying(count):
        async def say(request):
            for number in range(count):
                print("line", number, "." * 200)
            return {"said": count}

        return say

    app.router.get("/talk", saying(2000))
    app.router.get("/whisper", saying(1))
"""


def mounting(*commands: str) -> list[str]:
    """Words before a command that run these first, in a mount namespace of its own."""
    return [*UNSHARE, "sh", "-ec", "\n".join([*commands, 'exec "$@"']), "sh"]


def on_a_small_disk(root: Path) -> list[str]:
    return mounting(f"mount -t tmpfs -o size={DISK_BYTES} tmpfs {root}")


@pytest.fixture
def small() -> Iterator[Gateway]:
    """A gateway whose folder is a disk of a few megabytes, with a tenant foo that serves."""
    with new_gateway() as one:
        one.wrapper = on_a_small_disk(one.root)
        one.start()
        one.ctl("add", "foo")
        yield one


@contextlib.contextmanager
def filled(gateway: Gateway) -> Iterator[None]:
    """No byte is free on its disk while inside."""
    filler = gateway.seen(gateway.root) / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(gateway: Gateway) -> Iterator[None]:
    """Its disk is read-only while inside: a mount above the one that has files open for writing."""
    assert gateway.process is not None
    root = str(gateway.root)
    entry = ["nsenter", "--mount", f"--target={gateway.process.pid}"]
    subprocess.run([*entry, "mount", "--bind", root, root], check=True)
    subprocess.run([*entry, "mount", "-o", "remount,bind,ro", root], check=True)
    try:
        yield
    finally:
        subprocess.run([*entry, "umount", "--lazy", root], check=True)


def test_a_full_disk_refuses_changes_and_stops_nothing(small: Gateway) -> None:
    """Fault matrix, row 12: add and the write of the state."""
    before = small.pids("foo")
    with filled(small):
        assert "No space left on device" in small.ctl("add", "bar", code=1).errors
        assert "No space left on device" in small.ctl("stop", "foo", code=1).errors
        assert small.get("/foo/").status == 200
        assert [one["id"] for one in small.ctl("status", "-o", "json").json()] == ["foo"]
        one = small.status("foo")
        assert (one["state"], one["desired"], one["pids"]) == ("active", "running", before)
    small.ctl("add", "bar")
    small.ctl("stop", "foo")
    assert (small.status("foo")["desired"], small.get("/bar/").status) == ("stopped", 200)


def test_a_daemon_starts_on_a_full_disk(own_gateway: Gateway) -> None:
    """Fault matrix, row 12: who is known serves; a new folder waits until its record can be written."""
    root, disk = own_gateway.root, own_gateway.root / "disk"
    own_gateway.start()
    own_gateway.ctl("add", "foo")
    own_gateway.stop()
    shutil.copytree(own_gateway.tenants / "foo", own_gateway.tenants / "bar")
    disk.mkdir()
    own_gateway.wrapper = mounting(
        f"mount -t tmpfs -o size={DISK_BYTES} tmpfs {disk}",
        f"cp -a {root}/tenants {root}/state {root}/run {root}/log {disk}",
        f"cat /dev/zero >{disk}/filler 2>/dev/null || true",
        f"mount --bind {disk} {root}",
    )
    own_gateway.start()
    wait_for("foo serves", lambda: own_gateway.get("/foo/").status == 200)
    assert own_gateway.get("/bar/").status == 404
    assert "new tenants wait" in own_gateway.log.read_text()
    (own_gateway.seen(root) / "filler").unlink()
    wait_for("bar serves", lambda: own_gateway.get("/bar/").status == 200)


def test_a_full_disk_costs_lines_of_output_only(small: Gateway) -> None:
    """Fault matrix, row 13."""
    script = small.seen(small.tenants / "foo/boot/talk.py")
    script.write_text(TALKS)
    small.ctl("restart", "foo")
    before = small.pids("foo")
    with filled(small):
        for _ in range(3):
            assert small.get("/foo/talk").json() == {"said": 2000}

    def loss_is_said() -> bool:
        small.get("/foo/whisper")  # said with the next line that finds room
        return "lines dropped" in small.ctl("logs", "foo", "-n", "10000").output

    wait_for("the loss is said", loss_is_said)
    assert small.pids("foo") == before


def test_a_disk_that_becomes_read_only_refuses_changes_and_stops_nothing(small: Gateway) -> None:
    """Fault matrix, row 14, while running; a worker that dies meanwhile is replaced all the same."""
    before = small.pids("foo")
    with read_only(small):
        assert "Read-only file system" in small.ctl("add", "bar", code=1).errors
        assert "Read-only file system" in small.ctl("stop", "foo", code=1).errors
        assert small.get("/foo/").status == 200
        assert small.pids("foo") == before
        os.kill(before[0], 9)
        wait_for("another worker serves", lambda: small.pids("foo") not in ([], before))
        assert small.get("/foo/").status == 200
    small.ctl("add", "bar")
    assert small.get("/bar/").status == 200


def test_a_read_only_disk_at_the_start_is_named(own_gateway: Gateway) -> None:
    """Fault matrix, row 14, at the start."""
    root = own_gateway.root
    own_gateway.wrapper = mounting(f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}")
    done = subprocess.run(
        [*own_gateway.wrapper, sys.executable, "-m", "mtgate.cli", "--foreground", "--root", str(root)],
        env=own_gateway.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done)
    assert done.returncode == 69
    assert done.stderr.startswith("mtgate: ") and "Read-only file system" in done.stderr
    assert str(root) in done.stderr and "Traceback" not in done.stderr
