"""docs/tutorial.md, word for word: its files are written, its commands run in bash against a real gateway."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.harness import ROOT, Gateway

TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "-- command "


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with the output that must follow it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def script_and_outputs(folder: Path) -> tuple[str, list[tuple[str, str]]]:
    """One bash script for the whole tutorial, and each command's expected output."""
    lines, expected = [], []
    for language, name, text in BLOCK.findall(TUTORIAL.read_text("utf-8")):
        if language == "console":
            for command, output in commands(text):
                lines += [command, f"echo; echo '{MARK}{len(expected)}'"]
                expected.append((command, output))
        else:
            source = folder / "blocks" / f"{len(lines)}"
            source.parent.mkdir(exist_ok=True)
            source.write_text(text)
            lines.append(f"cp {source} {name}")
    return "\n".join(lines), expected


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_the_tutorial_runs_as_it_stands(own_gateway: Gateway, tmp_path: Path) -> None:
    own_gateway.start()
    (tmp_path / "here").symlink_to(own_gateway.root)
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "mtctl").write_text(f'#!/bin/sh\nexec {sys.executable} -m mtctl.cli "$@"\n')
    (bin / "mtctl").chmod(0o755)
    script, expected = script_and_outputs(tmp_path)
    script = script.replace("127.0.0.1:9000", f"127.0.0.1:{own_gateway.port}")
    script = script.replace("/tmp/note.json", str(tmp_path / "note.json"))
    environ = {**own_gateway.environ, "PATH": f"{bin}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    outputs = re.split(rf"^{MARK}\d+\n", done.stdout, flags=re.MULTILINE)
    assert len(outputs) == len(expected) + 1, done.stderr
    for (command, wanted), got in zip(expected, outputs, strict=False):
        assert got.strip() == wanted.strip(), f"$ {command}\n{got}\n{done.stderr}"
