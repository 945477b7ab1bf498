"""``python -m tenant_runtime.schema``: the command over an app's folder."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.base import SchemaChange
from tenant_runtime.schema import Outcome, Wish, as_text, parse

PROJECT = Path(__file__).resolve().parents[2]


def write_app(folder: Path, **models: Any) -> None:
    entries = {name: {"dataSource": "db"} for name in models}
    files = {
        "config.json": {"restApiRoot": "/api"},
        "datasources.json": {"db": {"connector": "sqlite3", "file": "data.db"}, "m": {"connector": "memory"}},
        "model-config.json": entries | {"Note": {"dataSource": "m"}},
        "models/note.json": {"name": "Note", "properties": {"text": "string"}},
    }
    for name, properties in models.items():
        files[f"models/{name.lower()}.json"] = {"name": name, "properties": properties}
    for path, value in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(json.dumps(value))


def schema(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tenant_runtime.schema", str(folder), *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def test_plan_apply_and_what_is_held_back(tmp_path: Path) -> None:
    write_app(tmp_path, Customer={"name": "string", "old": "string"})
    planned = schema(tmp_path, "plan")
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith('-- db (sqlite3)\nCREATE TABLE "customer"')
    assert json.loads(schema(tmp_path, "plan", "--json").stdout)[0]["steps"][0]["kind"] == "create-table"
    assert schema(tmp_path, "apply").stdout.endswith("-- done: 1 statements\n")
    write_app(tmp_path, Customer={"name": "string", "new": "number"})
    again = schema(tmp_path, "apply")
    assert '"new" REAL' in again.stdout
    assert "held back" in again.stdout
    assert 'DROP COLUMN "old"' in again.stdout
    assert 'DROP COLUMN "old"' in schema(tmp_path, "apply", "--drop").stdout
    assert schema(tmp_path, "plan").stdout == "-- db (sqlite3)\n-- nothing to change\n"


def test_reset_and_discover(tmp_path: Path) -> None:
    write_app(tmp_path, Customer={"name": "string"})
    schema(tmp_path, "apply")
    with sqlite3.connect(tmp_path / "data.db") as database:
        database.execute("INSERT INTO customer (name) VALUES ('Ann')")
        database.execute("CREATE TABLE order_items (id INTEGER PRIMARY KEY, unit_price REAL NOT NULL)")
    database.close()
    found = schema(tmp_path, "discover")
    assert found.stdout == "-- db (sqlite3)\nwrote models/order-items.json\n", found.stderr
    definition = json.loads((tmp_path / "models/order-items.json").read_text())
    assert definition["properties"]["unitPrice"]["required"] is True
    assert json.loads((tmp_path / "model-config.json").read_text())["OrderItems"]["dataSource"] == "db"
    assert schema(tmp_path, "discover").stdout == "-- db (sqlite3)\nevery table has a model\n"
    assert schema(tmp_path, "plan").stdout == "-- db (sqlite3)\n-- nothing to change\n"
    schema(tmp_path, "reset", "--model", "Customer")
    with sqlite3.connect(tmp_path / "data.db") as database:
        assert database.execute("SELECT count(*) FROM customer").fetchone() == (0,)
    database.close()


def test_what_goes_wrong(tmp_path: Path) -> None:
    write_app(tmp_path, Customer={"name": "string"})
    unknown = schema(tmp_path, "plan", "--datasource", "nope")
    assert unknown.returncode == 78
    assert 'there is no data source "nope"; there are: db, m' in unknown.stderr
    (tmp_path / "datasources.json").write_text(
        json.dumps({"db": {"connector": "mysql", "host": "127.0.0.1", "port": 1, "password": "s3cr3t"}})
    )
    (tmp_path / "model-config.json").write_text('{"Customer": {"dataSource": "db"}}')
    away = schema(tmp_path, "plan")
    assert away.returncode == 69, away.stderr
    assert "db" in away.stderr
    assert "s3cr3t" not in away.stderr + away.stdout
    (tmp_path / "models/customer.json").write_text("{")
    broken = schema(tmp_path, "plan")
    assert broken.returncode == 78
    assert "models/customer.json:1" in broken.stderr


@pytest.mark.parametrize(
    ("arguments", "wish"),
    [
        (["d", "plan"], Wish("plan")),
        (["d", "apply", "--allow-drop"], Wish("apply", allow_drop=True)),
        (
            ["d", "discover", "--table=a", "--table=b", "--model=M", "--datasource=db"],
            Wish("discover", frozenset({"M"}), frozenset({"a", "b"}), "db"),
        ),
    ],
)
def test_arguments(arguments: list[str], wish: Wish) -> None:
    assert parse(arguments) == (Path("d"), wish, False)


def test_text_of_nothing() -> None:
    assert as_text([], Wish("plan")) == "no data source with a schema\n"
    held = Outcome("db", "mysql", held_back=[SchemaChange("A", "drop-column", "ALTER\nX", True)])
    assert as_text([held], Wish("plan")).splitlines()[-2:] == ["-- ALTER", "-- X;"]
