"""Tenants' sockets: what makes room for a new one, and who may connect to it."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from mtgate.supervisor.listeners import PathTaken, bind, bind_own


def test_a_leftover_makes_room_and_the_new_socket_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "foo.sock"
    bind_own(str(path), None, None).close()
    with bind_own(str(path), None, None), socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.lstat().st_mode) == 0o660
        client.connect(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["foo.sock"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_not_a_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "foo.sock"
    {
        "file": path.touch,
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(tmp_path),
    }[kind]()
    with pytest.raises(PathTaken):
        bind_own(str(path), None, None)
    assert path.exists()


def test_a_public_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    with bind(path, None, None):
        with pytest.raises(PathTaken, match="another process listens"):
            bind(path, None, None)
        assert path.is_socket()
