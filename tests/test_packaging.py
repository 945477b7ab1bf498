"""What an installed mtgate must bring along."""

from __future__ import annotations

import configparser
import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = [
    path
    for package in ("mtgate", "mtctl", "tenant_runtime")
    for path in (ROOT / package).rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc", ".so")
]


@pytest.mark.parametrize("path", DATA, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_files_are_packaged(path: Path) -> None:
    """A checkout finds files beside the code that an installation would not have."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    package = next(parent for parent in path.parents if (parent / "__init__.py").exists())
    name = ".".join(package.relative_to(ROOT).parts)
    patterns = [
        pattern.strip()
        for owner, listed in config["options.package_data"].items()
        if owner in ("*", name)
        for pattern in listed.split(",")
    ]
    relative = str(path.relative_to(package))
    assert any(fnmatch.fnmatch(relative, pattern) for pattern in patterns), relative
