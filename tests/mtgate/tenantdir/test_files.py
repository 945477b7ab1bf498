"""Reading, writing, copying and removing by descriptor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtgate.tenantdir.files import (
    SMALL_BYTES,
    WORK_PREFIX,
    Folder,
    UnsafePath,
    copy_tree,
    last_change,
    new_folder,
    read_small,
    remove_tree,
    sweep,
)


def test_write_makes_parents_and_keeps_permissions(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.write("a/b/c.json", "1\r\n")
        assert folder.read("a/b/c.json") == "1\r\n"
        (tmp_path / "a/b/c.json").chmod(0o600)
        folder.write("a/b/c.json", "2")
        assert folder.names("a/b") == ["c.json"]
    assert (tmp_path / "a/b/c.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("relative", ["/etc/passwd", "../x", "a/../../x", "link/x", "file_link", "pipe"])
def test_nothing_leads_out_of_the_folder(tmp_path: Path, relative: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "x").write_text("secret")
    (inside / "link").symlink_to(outside)
    (inside / "file_link").symlink_to(outside / "x")
    os.mkfifo(inside / "pipe")
    with (
        Folder(inside) as folder,
        pytest.raises(OSError, match=r"leads out|symbolic|regular|too many|Too many"),
    ):
        folder.read(relative)
    if relative not in ("pipe", "file_link"):
        with Folder(inside) as folder, pytest.raises(UnsafePath):
            folder.write(relative, "mine")
    assert (outside / "x").read_text() == "secret"


def test_writing_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "target")
    with Folder(tmp_path / "in") as folder:
        folder.write("link", "new")
    assert (tmp_path / "target").read_text() == "old"


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path, "x") as work:
        (work / "file").touch()
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x/file").exists()
    with pytest.raises(FileExistsError), new_folder(tmp_path, "x") as work:
        (work / "other").touch()
    assert os.listdir(tmp_path) == ["x"]
    assert os.listdir(tmp_path / "x") == ["file"]


def test_copy_leaves_out_what_does_not_belong(tmp_path: Path) -> None:
    source, target = tmp_path / "s", tmp_path / "t"
    (source / "node_modules/x").mkdir(parents=True)
    (source / "server").mkdir()
    (source / "server/config.json").write_text("{}")
    (source / "inside").symlink_to("server/config.json")
    (source / "outside").symlink_to("../../etc/passwd")
    os.mkfifo(source / "pipe")
    target.mkdir()
    assert sorted(copy_tree(source, target)) == ["outside", "pipe"]
    assert sorted(os.listdir(target)) == ["inside", "server"]
    assert (target / "inside").read_text() == "{}"


def test_removal_survives_depth_links_and_permissions(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(tmp_path / "precious")
    fd = os.open(tree, os.O_RDONLY)
    for _ in range(3000):  # far beyond PATH_MAX and the interpreter's recursion limit
        os.mkdir("deep", dir_fd=fd)
        below = os.open("deep", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    (tree / "closed").mkdir()
    (tree / "closed/inner").mkdir()
    (tree / "closed").chmod(0)
    remove_tree(tree)
    assert sorted(os.listdir(tmp_path)) == ["precious"]
    assert (tmp_path / "precious/file").exists()


def test_removal_of_nothing_and_of_a_link(tmp_path: Path) -> None:
    remove_tree(tmp_path / "gone")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    remove_tree(tmp_path / "link")
    assert os.listdir(tmp_path) == ["target"]


def test_sweep_finishes_what_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / f"{WORK_PREFIX}1/x").mkdir(parents=True)
    (tmp_path / "foo").mkdir()
    assert sweep(tmp_path) == [f"{WORK_PREFIX}1"]
    assert os.listdir(tmp_path) == ["foo"]
    assert sweep(tmp_path / "none") == []


def test_the_last_change_is_the_deepest(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    before = last_change(tmp_path)
    (tmp_path / "a/b/c").touch()
    os.utime(tmp_path / "a/b/c", (1, 1))  # as cp -p does
    assert last_change(tmp_path) >= before > 1
    assert last_change(tmp_path / "none") == 0


def test_a_small_file_is_read_and_what_would_block_or_lead_away_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "long").open("wb") as long:
        long.truncate(SMALL_BYTES + 1)
    assert read_small(f"{tmp_path}/file") == "{}"
    for name in ("link", "pipe", "long", "."):
        with pytest.raises(OSError, match=r"regular|symbolic"):
            read_small(f"{tmp_path}/{name}")
