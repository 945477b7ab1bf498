"""Planning, applying, resetting and discovering tables, on real databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors.base import ConnectorError, SchemaChange
from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import Query
from tenant_runtime.model.definition import ModelDefinition
from tests.tenant_runtime.connectors.sql.conftest import model, prop

Make = Callable[..., SqlConnector]


def customer(*more: Any, **settings: Any) -> ModelDefinition:
    return model(
        "Customer", prop("name", required=True, index=True), prop("age", "number"), *more, **settings
    )


def kinds(steps: list[SchemaChange]) -> list[tuple[str, str]]:
    return [(step.model, step.kind) for step in steps]


#: The tables as the original's automigrate (mysql 5.4.4, postgresql 3.9.1, sqlite3 1.5) makes them for the
#: models of ``original``.
MADE_BY_LOOPBACK = Path(__file__).parent / "made_by_loopback"


def original(dialect: str) -> list[ModelDefinition]:
    """SQLite's connector makes no unique indexes."""
    unique = dialect != "sqlite3"
    code = {"columnName": "the_code", "dataType": "char", "dataLength": 8}
    found = model(
        "Customer",
        prop("name", required=True, index=True),
        prop("email", length=100, index={"unique": unique}),
        prop("age", "number"),
        prop("score", "number", mysql={"dataType": "double"}, postgresql={"dataType": "double precision"}),
        prop(
            "price", "number", dataType="decimal", precision=12, scale=3,
            postgresql={"dataType": "decimal", "dataPrecision": 12, "dataScale": 3},
        ),
        prop("big", "number", mysql={"dataType": "bigint"}, postgresql={"dataType": "bigint"}),
        prop("active", "boolean", has_default=True, default=True),
        prop("born", "date"),
        prop(
            "seen", "date", mysql={"dataType": "datetime", "dataPrecision": 3},
            postgresql={"dataType": "TIMESTAMP WITHOUT TIME ZONE"},
        ),
        prop("profile", "object"),
        prop("tags", "array"),
        prop("any", "any"),
        prop("place", "geopoint"),
        prop("notes", "text"),
        prop(
            "code", mysql=code, postgresql=code | {"dataType": "varchar"}, sqlite3={"columnName": "the_code"}
        ),
        prop("firstName"),
        prop("nullableNo", nullable=False),
        prop("j", "object", mysql={"dataType": "json"}, postgresql={"dataType": "jsonb"}),
        indexes={"name_age": {"keys": {"name": 1, "age": -1}, "options": {"unique": unique}}},
    )  # fmt: skip
    pair = model("Pair", prop("a", "number", id_order=1), prop("b", id_order=2), prop("v"))
    key = {"name": "fk_order", "entity": "Customer", "entityKey": "id", "foreignKey": "customerId"}
    order = model(
        "Order",
        prop("customerId", "number"),
        foreignKeys={"fk_order": key},
        **{dialect: {"table": "orders"}},
    )
    return [order, found, pair]


def test_a_loopback_database_is_taken_over_as_it_stands(connect: Make, database: dict[str, Any]) -> None:
    dialect = database["connector"]
    connector = connect(*original(dialect), create=False)
    for statement in (MADE_BY_LOOPBACK / f"{dialect}.sql").read_text().split(";\n"):
        if statement.strip():
            connector.execute(statement)
    assert connector.plan(allow_drop=True) == []
    row = {"name": "Ann", "nullableNo": "x", "code": "c", "firstName": "A", "price": 2.25, "j": {"k": 1}}
    connector.create("Customer", row)
    [found] = connector.find("Customer", Query())
    assert row.items() <= found.items()


def test_what_is_made_needs_no_change(connect: Make, database: dict[str, Any]) -> None:
    connector = connect(*original(database["connector"]), create=False)
    steps = connector.apply()
    if connector.name != "sqlite3":  # which has no foreign keys
        assert kinds(steps)[0] == ("Customer", "create-table")  # before Order, which refers to it
    assert connector.plan(allow_drop=True) == []
    assert connector.apply() == []


def test_plan_changes_nothing(connect: Make) -> None:
    connector = connect(customer(), create=False)
    steps = connector.plan()
    assert kinds(steps)[0] == ("Customer", "create-table")
    assert connector.plan() == steps
    with pytest.raises(ConnectorError, match="schema apply makes the tables"):
        connector.find("Customer", Query())


def test_columns_are_added_and_rows_kept(connect: Make) -> None:
    connector = connect(customer())
    connector.create("Customer", {"name": "Ann"})
    connector.define(
        customer(
            prop("city", required=True),
            prop("vip", "boolean", required=True),
            prop("points", "number", required=True),
            prop("note", index=True),
        )
    )
    steps = connector.apply()
    assert {kind for _, kind in kinds(steps)} == {"add-column", "create-index"}
    assert connector.plan(allow_drop=True) == []
    [row] = connector.find("Customer", Query())
    assert (row["city"], row["vip"], row["points"], row["note"]) == ("", False, 0, None)


def test_nothing_is_dropped_unless_told_to(connect: Make) -> None:
    connector = connect(customer(prop("old", index=True)))
    connector.create("Customer", {"name": "Ann", "old": "x"})
    connector.define(customer())
    assert connector.plan() == []
    steps = connector.plan(allow_drop=True)
    assert sorted(kind for _, kind in kinds(steps)) == ["drop-column", "drop-index"]
    assert all(step.destructive for step in steps)
    connector.apply(allow_drop=True)
    assert connector.plan(allow_drop=True) == []
    assert connector.find("Customer", Query(fields=("name",))) == [{"name": "Ann"}]


def test_widening_is_applied_and_narrowing_held_back(connect: Make) -> None:
    def sized(length: int, dialect: str) -> ModelDefinition:
        return customer(prop("code", **{dialect: {"dataType": "varchar", "dataLength": length}}))

    connector = connect(create=False)
    dialect = connector.name
    if dialect == "sqlite3":
        pytest.skip("columns of SQLite take any value")
    connector.define(sized(20, dialect))
    connector.reset()
    connector.define(sized(40, dialect))
    assert kinds(connector.apply()) == [("Customer", "alter-column")]
    connector.define(sized(10, dialect))
    assert connector.plan() == []
    [step] = connector.plan(allow_drop=True)
    assert step.destructive
    connector.apply(allow_drop=True)
    assert connector.plan(allow_drop=True) == []


def test_reset_empties_in_the_order_of_dependencies(connect: Make, database: dict[str, Any]) -> None:
    connector = connect(*original(database["connector"]))
    connector.create("Customer", {"name": "Ann", "nullableNo": ""})
    connector.create("Order", {"customerId": 1})
    connector.reset()
    assert connector.count("Order") == connector.count("Customer") == 0
    assert connector.create("Customer", {"name": "Bob", "nullableNo": ""}) == 1


def test_only_the_models_asked_for(connect: Make) -> None:
    connector = connect(customer(), model("Other", prop("x")), create=False)
    connector.apply(["Other"])
    assert connector.count("Other") == 0
    with pytest.raises(ConnectorError):
        connector.count("Customer")
    with pytest.raises(ConnectorError, match="not attached to this datasource: Nothing"):
        connector.apply(["Nothing"])


def test_a_failing_step_says_which(connect: Make) -> None:
    kind = {"dataType": "no_such_type"}
    connector = connect(customer(prop("x", mysql=kind, postgresql=kind)), create=False)
    if connector.name == "sqlite3":
        pytest.skip("SQLite knows no types that it could refuse")
    with pytest.raises(ConnectorError, match=r"model Customer, statement: CREATE TABLE"):
        connector.apply()
    assert connector.plan()


def test_discover(connect: Make, database: dict[str, Any]) -> None:
    dialect = database["connector"]
    connector = connect(*original(dialect))
    found = {item["name"]: item for item in connector.discover()}
    assert set(found) == {"Customer", "Pair", "Orders"}
    customers, orders = found["Customer"], found["Orders"]
    assert customers["options"][dialect]["table"] == ("Customer" if dialect == "mysql" else "customer")
    assert customers["properties"]["name"]["required"] is True
    assert customers["properties"]["id"]["id"] == 1
    assert customers["properties"]["id"]["generated"] is True
    assert "id" not in customers["properties"]["theCode"]
    assert [found["Pair"]["properties"][name]["id"] for name in "ab"] == [1, 2]
    if dialect == "mysql":
        types = {name: item["type"] for name, item in customers["properties"].items()}
        assert types["active"] == "boolean"
        assert types["born"] == "date"
        assert types["place"] == "geopoint"
        assert customers["properties"]["price"][dialect] == {
            "columnName": "price",
            "dataType": "decimal",
            "dataPrecision": 12,
            "dataScale": 3,
            "nullable": "Y",
        }
    if dialect != "sqlite3":
        foreign = "customerId" if dialect == "mysql" else "customerid"
        assert orders["relations"]["customer"] == {
            "type": "belongsTo", "model": "Customer", "foreignKey": foreign,
        }  # fmt: skip
        assert customers["relations"]["orders"]["type"] == "hasMany"
