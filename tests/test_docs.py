"""A command, option, control route or setting that nobody can find in the documentation does not exist."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import mtctl.options
import mtgate.cli
from mtgate.control.routes import OPERATIONS
from mtgate.errors import GateError
from mtgate.settings import (
    ControlSettings,
    FileSettings,
    LogSettings,
    ServerSettings,
    SupervisorSettings,
    Tls,
)
from mtgate.tenantdir.schema import Limits, Probe, Restart, Strict, TenantConfig

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
COMMON = {"--help", "-h"}


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


COMMANDS = subcommands(mtctl.options.parser())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_commands(name: str) -> None:
    text = page("cli.md")
    assert re.search(rf"`(mtctl )?{re.escape(name)}\b", text), f"mtctl {name} is not in docs/cli.md"
    for action in COMMANDS[name]._actions:
        for option in set(action.option_strings[-1:]) - COMMON:
            if option not in {"--root", "--control", "--output", "--quiet"}:
                assert option in text or action.option_strings[0] in text, f"mtctl {name} {option}"


def test_options_of_both_programs() -> None:
    text = page("cli.md")
    for parser in (mtctl.options.parser(), mtgate.cli.parser()):
        for action in parser._actions:
            if action.option_strings and not COMMON & set(action.option_strings):
                assert any(option in text for option in action.option_strings), action.option_strings


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_control_routes(operation: object) -> None:
    text = page("control-api.md")
    assert f"`{operation.method} {operation.path}`" in text  # type: ignore[attr-defined]
    for query in operation.query:  # type: ignore[attr-defined]
        assert query.name in text


def test_problem_codes() -> None:
    text = page("control-api.md")
    for error in (GateError, *GateError.__subclasses__()):
        assert f"| `{error.code}` | {error.status} |" in text, error.code


@pytest.mark.parametrize(
    "model",
    [
        ServerSettings,
        Tls,
        SupervisorSettings,
        ControlSettings,
        LogSettings,
        TenantConfig,
        Restart,
        Limits,
        Probe,
    ],
)
def test_settings(model: type[Strict]) -> None:
    text = page("configuration.md")
    for name, field in model.model_fields.items():
        assert f"| `{name}` |" in text, f"{model.__name__}.{name} is not in docs/configuration.md"
        assert field.description, f"{model.__name__}.{name} has no docstring"


def test_sections() -> None:
    for name in FileSettings.model_fields:
        assert f"### [{name}]" in page("configuration.md")


def test_links_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} links to {target}"
