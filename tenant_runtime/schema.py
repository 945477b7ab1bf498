"""``python -m tenant_runtime.schema DIR plan|apply|reset|discover``: a tenant's tables and its models.

In charge of: the command: which data sources have a schema, what is printed, the exit code. What must change
is the connectors' to know (``connectors.base.SchemaStore``). Boot scripts do not run; models' code does,
because it may declare properties. Exit codes: 0 done, 1 the database refused, 2 usage, 69 a database is away,
78 the files of the app are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import trio

from mtgate.notify import EXIT_CONFIGURATION
from mtgate.tenantdir.apps import add_definition
from mtgate.tenantdir.complaint import InvalidFile
from tenant_runtime.app import App
from tenant_runtime.boot.start import load_models
from tenant_runtime.connectors.base import SchemaChange, SchemaStore
from tenant_runtime.connectors.datasource import DataSource
from tenant_runtime.errors import ConfigurationError, LoopbackError
from tenant_runtime.worker import configure_logging

EXIT_FAILED, EXIT_UNAVAILABLE = 1, 69


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. Empty ``models`` and ``tables`` mean all of them."""

    action: str
    models: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    data_source: str | None = None
    allow_drop: bool = False


@dataclass(slots=True)
class Outcome:
    """What was done in one data source. ``held_back`` are steps that only ``--drop`` would take."""

    data_source: str
    connector: str
    steps: list[SchemaChange] = field(default_factory=list)
    held_back: list[SchemaChange] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)


async def run(folder: Path, wish: Wish) -> list[Outcome]:
    """Carry the wish out in each data source that has a schema. Raises ConfigurationError, LoopbackError."""
    app, _ = await load_models(folder)
    try:
        outcomes = [await _one(app, name, wish) for name in _chosen(app, wish)]
    finally:
        for source in app.data_sources.values():
            await source.disconnect()
    if wish.action == "discover":
        for outcome in outcomes:
            _write(folder, outcome)
    return outcomes


def _chosen(app: App, wish: Wish) -> list[str]:
    """Names of the data sources to work on; those without a schema (memory, mail) have nothing to do."""
    if wish.data_source is not None and wish.data_source not in app.data_sources:
        known = ", ".join(app.data_sources) or "none"
        raise ConfigurationError(
            f'there is no data source "{wish.data_source}"; there are: {known}', file="datasources.json"
        )
    known_models = {model for source in app.data_sources.values() for model in source.models}
    for name in sorted(wish.models - known_models):
        raise ConfigurationError(f'there is no model "{name}" with a data source', file="model-config.json")
    return [
        name
        for name, source in app.data_sources.items()
        if hasattr(source.connector, "plan") and wish.data_source in (None, name)
    ]


async def _one(app: App, name: str, wish: Wish) -> Outcome:
    source: DataSource = app.data_sources[name]
    store = cast(SchemaStore, source.connector)
    outcome = Outcome(name, source.connector.name)
    await source.connect()
    if wish.action == "discover":
        outcome.models = [m for m in await source.call(store.discover) if _wanted(m, source, wish)]
        return outcome
    models = [model for model in source.models if not wish.models or model in wish.models]

    def work() -> None:
        if wish.action == "reset":
            outcome.steps = store.reset(models)
            return
        everything = store.plan(models, allow_drop=True)
        act = store.apply if wish.action == "apply" else store.plan
        outcome.steps = act(models, allow_drop=wish.allow_drop)
        outcome.held_back = [] if wish.allow_drop else [step for step in everything if step.destructive]

    await source.call(work)
    return outcome


def _wanted(model: dict[str, Any], source: DataSource, wish: Wish) -> bool:
    """Tables that a model has already are left out, unless they are asked for by name."""
    store = model["options"].get(source.connector.name, {})
    table = str(store.get("table") or store.get("collection"))
    return table in wish.tables if wish.tables else table not in _known_tables(source)


def _known_tables(source: DataSource) -> set[str]:
    mappings = getattr(source.connector, "mappings", {})
    return {mapping.table.name for mapping in mappings.values()}


def _write(folder: Path, outcome: Outcome) -> None:
    for definition in outcome.models:
        try:
            changes = add_definition(folder, definition, outcome.data_source)
        except InvalidFile as error:
            first = error.first
            raise ConfigurationError(first.message, file=first.file, line=first.line) from error
        outcome.written += [path for path in changes.created if path not in outcome.written]


# ---- what is printed ----------------------------------------------------------------------------------


def as_text(outcomes: list[Outcome], wish: Wish) -> str:
    """The outcome for a person: the SQL, and what was held back."""
    if not outcomes:
        return "no data source with a schema\n"
    return "".join(_section(outcome, wish) for outcome in outcomes)


def _section(outcome: Outcome, wish: Wish) -> str:
    lines = [f"-- {outcome.data_source} ({outcome.connector})"]
    if wish.action == "discover":
        lines += [f"wrote {path}" for path in outcome.written] or ["every table has a model"]
    else:
        lines += [step.statement + ";" for step in outcome.steps] or ["-- nothing to change"]
        if outcome.held_back:
            lines.append("-- held back, because they can lose data; --drop does them too:")
            lines += ["-- " + step.statement.replace("\n", "\n-- ") + ";" for step in outcome.held_back]
        if wish.action != "plan" and outcome.steps:
            lines.append(f"-- done: {len(outcome.steps)} statements")
    return "\n".join(lines) + "\n"


def as_json(outcomes: list[Outcome]) -> str:
    return json.dumps([asdict(outcome) for outcome in outcomes], indent=2, ensure_ascii=False) + "\n"


def parse(arguments: Sequence[str]) -> tuple[Path, Wish, bool]:
    """Folder, wish, whether JSON is wanted."""
    parser = argparse.ArgumentParser(prog="python -m tenant_runtime.schema", description="A tenant's tables.")
    parser.add_argument("dir", help="the app's folder")
    parser.add_argument("action", choices=("plan", "apply", "reset", "discover"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--model", action="append", default=[], help="only this model (repeatable)")
    parser.add_argument("--table", action="append", default=[], help="discover: only this table")
    parser.add_argument("--datasource", help="only this data source")
    parser.add_argument(
        "--drop", "--allow-drop", dest="drop", action="store_true", help="also do what can lose data"
    )
    options = parser.parse_args(arguments)
    wish = Wish(
        options.action,
        frozenset(options.model),
        frozenset(options.table),
        options.datasource,
        options.drop,
    )
    return Path(options.dir), wish, options.json


def main(arguments: Sequence[str] | None = None) -> int:
    folder, wish, wants_json = parse(sys.argv[1:] if arguments is None else arguments)
    configure_logging()
    try:
        outcomes = trio.run(run, folder, wish)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    except LoopbackError as error:
        # what a client must not see (the driver's reason) is what the operator needs
        sys.stderr.write(f"{error.__cause__ or error.message}\n")
        return EXIT_UNAVAILABLE if error.status == 503 else EXIT_FAILED
    sys.stdout.write(as_json(outcomes) if wants_json else as_text(outcomes, wish))
    return 0


if __name__ == "__main__":
    sys.exit(main())
