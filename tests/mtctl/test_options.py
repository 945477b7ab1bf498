"""The command line, and that each command's function is there."""

from __future__ import annotations

import pytest

from mtctl.cli import command
from mtctl.options import parser


@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("ping", "ping"),
        ("add foo --from dir --no-start", "add"),
        ("import dir --as foo", "import_app"),
        ("remove foo", "remove"),
        ("delete foo --yes", "remove"),
        ("start foo bar", "act"),
        ("stop --all", "act"),
        ("restart --hard foo", "act"),
        ("sleep foo", "act"),
        ("wake foo", "act"),
        ("reset-failed foo", "act"),
        ("scale foo 3", "scale"),
        ("rollback foo --to 2", "rollback"),
        ("status", "status"),
        ("routes", "routes"),
        ("logs -f -n 3 foo", "logs"),
        ("events", "events"),
        ("model foo:Bar --property a:string", "model"),
        ("schema plan foo", "schema"),
    ],
)
def test_every_command_has_its_function(line: str, function: str) -> None:
    options = parser().parse_args(line.split())
    assert command(options.run).__name__ == function


def test_common_options_stand_before_or_after() -> None:
    for line in ("-o json --root x status", "status -o json --root x", "-o json status --root x"):
        options = parser().parse_args(line.split())
        assert (options.output, options.root, options.timeout) == ("json", "x", None)


def test_delete_is_remove() -> None:
    assert parser().parse_args(["delete", "foo"]).command == "remove"


@pytest.mark.parametrize(
    "line", ["--timeout 0 ping", "scale foo many", "--root a --control b ping", "-o xml ping"]
)
def test_usage(line: str) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(line.split())
    assert caught.value.code == 2
