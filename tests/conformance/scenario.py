"""Recorded scenarios: one small application and the exchanges that LoopBack 3 had with a client.

In charge of: reading the recordings and laying their application out as a tenant's folder. The format:
``steps`` with ``expect`` by connector (``*`` for all); in ``datasources.json`` the text ``${connector}``
stands for the data source under test. The recordings hold no code: boot scripts are those of a new app.
"""

from __future__ import annotations

import copy
import fnmatch
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtgate.tenantdir.template import application

RECORDINGS = Path(__file__).parent / "scenarios"
CONNECTORS = ("memory", "mysql", "mongodb")

#: Connectors that nothing was recorded on: they must answer as another one did.
STAND_INS = {"sqlite3": "mysql", "postgresql": "mysql"}

#: Scenarios on which those differ from their model, as docs/compatibility.md says and for what reason.
DIFFERENT = {
    "crud-city": {"sqlite3": "a number keeps its fraction"},
    "crud-person": {"sqlite3": "a number keeps its fraction"},
    "ds-mysql-string-id": dict.fromkeys(STAND_INS, "case, and the text of a duplicate key's error"),
    "ds-mysql-types": dict.fromkeys(STAND_INS, "MySQL's column types"),
    "rel-default-scope": {"postgresql": "null is last"},
    "type-number": {"postgresql": "a number without a dataType is INTEGER"},
    "types-mysql-coercion": dict.fromkeys(STAND_INS, "MySQL's column types"),
    "user-accounts": dict.fromkeys(STAND_INS, "e-mail addresses in another case are others"),
    "user-login-logout": dict.fromkeys(STAND_INS, "e-mail addresses in another case are others"),
    "where-bracket-vehicles": {"postgresql": "like sees case"},
}

#: Steps (from 1) that differ from the original on every connector, listed in docs/compatibility.md.
ON_PURPOSE = {"http-cors-default": {2}, "http-not-found": {27}, "swagger-acl": {3}}

#: Users' authentication on, and a status at ``/``: those of a new application.
BOOT_SCRIPTS = {name: text for name, text in application().items() if name.startswith("boot/")}


@dataclass(frozen=True)
class Scenario:
    id: str
    area: str
    connectors: tuple[str, ...]
    files: dict[str, Any]
    steps: list[dict[str, Any]]

    def databases(self, connector: str) -> list[str]:
        """Names of the data sources under test; memory needs no database."""
        if connector == "memory":
            return []
        return [name for name, source in self.files["datasources.json"].items() if is_placeholder(source)]

    def write(self, folder: Path, settings: dict[str, dict[str, Any]]) -> None:
        """Lay the application out; ``settings`` has the entry for each data source under test."""
        for name, content in {**self.files, **BOOT_SCRIPTS}.items():
            if name == "datasources.json":
                content = {
                    key: {**settings[key], **without_connector(source)} if is_placeholder(source) else source
                    for key, source in content.items()
                }
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), "utf-8")


def is_placeholder(source: dict[str, Any]) -> bool:
    return source.get("connector") == "${connector}"


def without_connector(source: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in source.items() if key != "connector"}


def expected(step: dict[str, Any], connector: str) -> dict[str, Any] | None:
    """What the original answered; None when the step was not recorded on this connector."""
    answers: dict[str, Any] = step["expect"]
    answer = answers.get(STAND_INS.get(connector, connector), answers.get("*"))
    return copy.deepcopy(answer)


def read(path: Path) -> Scenario:
    content = json.loads(path.read_text("utf-8"))
    return Scenario(
        content["id"],
        content["area"],
        tuple(content["connectors"]),
        content["app"]["files"],
        content["steps"],
    )


def recorded(
    *, areas: Iterable[str] = (), connectors: Iterable[str] = (), patterns: Iterable[str] = ()
) -> Iterator[tuple[Scenario, str]]:
    """Every (scenario, connector) that was recorded, narrowed by area, connector and globs on the id."""
    areas, connectors, patterns = set(areas), set(connectors), list(patterns)
    for path in sorted(RECORDINGS.glob("*.json")):
        scenario = read(path)
        if areas and scenario.area not in areas:
            continue
        if patterns and not any(fnmatch.fnmatchcase(scenario.id, pattern) for pattern in patterns):
            continue
        others = [other for other, model in STAND_INS.items() if model in scenario.connectors]
        for connector in (*scenario.connectors, *others):
            if not connectors or connector in connectors:
                yield scenario, connector
