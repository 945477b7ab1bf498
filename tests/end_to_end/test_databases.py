"""The example tenants on real database servers, and the schema commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tenant_runtime.connectors.sql.engine import SqlConnector
from tests.end_to_end.harness import EXAMPLES, Gateway


def add_with(gateway: Gateway, id: str, app: str, source: dict[str, Any]) -> None:
    """The example app, as tenant ``id``, on a data source."""
    gateway.ctl("add", id, "--from", str(EXAMPLES / "embedded" / app), "--no-start")
    (gateway.tenants / id / "datasources.json").write_text(json.dumps({"db": {**source, "name": "db"}}))


@pytest.fixture(params=["mysql", "postgresql", "mongodb", "sqlite3"])
def source(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "sqlite3":
        return {"connector": "sqlite3", "file": "data.sqlite3"}
    settings: dict[str, Any] = request.getfixturevalue(f"{request.param}_database")
    return settings


def test_shop_on_every_database(gateway: Gateway, source: dict[str, Any]) -> None:
    id = "shop" + source["connector"]
    add_with(gateway, id, "foo", source)
    gateway.ctl("schema", "apply", id)
    gateway.ctl("start", id)
    ada = gateway.post(f"/{id}/api/Customers", {"name": "Ada", "city": "London"})
    assert ada.status == 200, ada.body
    key = ada.json()["id"]
    for amount in (1, 25):
        made = gateway.post(
            f"/{id}/api/Customers/{key}/orders", {"description": f"no {amount}", "amount": amount}
        )
        assert made.status == 200, made.body
    query = {"where": {"amount": {"gt": 2}}, "include": "customer", "order": "amount DESC", "limit": 5}
    found = gateway.get(f"/{id}/api/Orders?filter={quote(json.dumps(query))}").json()
    assert [(one["amount"], one["customer"]["name"]) for one in found] == [(25, "Ada")]
    gateway.ctl("restart", id)
    assert gateway.get(f"/{id}/api/Orders/count").json() == {"count": 2}
    gateway.ctl("remove", id, "--yes")


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "sqlite3"])
def test_schema_plan_apply_and_reset(gateway: Gateway, kind: str, request: pytest.FixtureRequest) -> None:
    settings = (
        {"connector": "sqlite3", "file": "s.sqlite3"}
        if kind == "sqlite3"
        else request.getfixturevalue(f"{kind}_database")
    )
    id = "schema" + kind
    add_with(gateway, id, "foo", settings)
    plan = gateway.ctl("schema", "plan", id).output
    assert "CREATE TABLE" in plan
    assert "CREATE TABLE" in gateway.ctl("schema", "plan", id).output, "plan must change nothing"
    gateway.ctl("schema", "apply", id)
    assert "CREATE TABLE" not in gateway.ctl("schema", "plan", id).output
    gateway.edit(id, "models/customer.json", lambda one: one["properties"].update(age={"type": "number"}))
    assert "ALTER TABLE" in gateway.ctl("schema", "plan", id).output
    gateway.ctl("schema", "apply", id)
    gateway.ctl("start", id)
    assert gateway.post(f"/{id}/api/Customers", {"name": "Ada", "age": 3}).status == 200
    assert "say --yes" in gateway.ctl("schema", "reset", id, code=2).errors
    assert gateway.get(f"/{id}/api/Customers/count").json() == {"count": 1}
    gateway.ctl("schema", "reset", id, "--yes")
    assert gateway.get(f"/{id}/api/Customers/count").json() == {"count": 0}
    gateway.ctl("remove", id, "--yes")


def test_removing_a_tenant_leaves_its_database(gateway: Gateway, mysql_database: dict[str, Any]) -> None:
    for id in ("first", "second"):
        add_with(gateway, id, "foo", mysql_database)
    gateway.ctl("schema", "apply", "first")
    gateway.ctl("start", "first")
    gateway.post("/first/api/Customers", {"name": "Ada"})
    gateway.ctl("remove", "first", "--yes")
    gateway.ctl("start", "second")
    assert gateway.get("/second/api/Customers/count").json() == {"count": 1}


def test_the_examples_on_servers(
    gateway: Gateway, mysql_database: dict[str, Any], mongodb_database: dict[str, Any]
) -> None:
    """Their settings come from the environment, as they say; the variable wins over host and port."""
    my, mongo = mysql_database, mongodb_database
    urls = {
        "foo": (
            "FOO_MYSQL_URL",
            f"mysql://{my['user']}:{my['password']}@{my['host']}:{my['port']}/{my['database']}",
        ),
        "bar": (
            "BAR_MONGODB_URL",
            mongo.get("url") or f"mongodb://{mongo['host']}:{mongo['port']}/{mongo['database']}",
        ),
    }
    for id, (variable, url) in urls.items():
        gateway.ctl("add", id, "--from", str(EXAMPLES / "databases" / id), "--no-start")
        (gateway.tenants / id / "tenant.json").write_text(json.dumps({"env": {variable: url}}))
        gateway.ctl("schema", "apply", id)
        gateway.ctl("start", id)
    assert gateway.post("/foo/api/Customers", {"name": "Ada"}).json()["id"] == 1
    product = gateway.post("/bar/api/Products", {"name": "lamp", "price": 3, "tags": ["x"]}).json()
    assert len(product["id"]) == 24
    review = gateway.post(f"/bar/api/Products/{product['id']}/reviews", {"stars": 4}).json()
    assert review["productId"] == product["id"]
    assert gateway.get(f"/bar/api/Reviews/{review['id']}/product").json()["name"] == "lamp"


def test_both_variants_of_an_example_have_the_same_models() -> None:
    for app in ("foo", "bar"):
        one, other = EXAMPLES / "embedded" / app, EXAMPLES / "databases" / app
        names = sorted(path.name for path in (one / "models").iterdir())
        assert names == sorted(path.name for path in (other / "models").iterdir())
        for name in names:
            assert (one / "models" / name).read_text() == (other / "models" / name).read_text()


def test_discovered_tables_are_served(
    gateway: Gateway, mysql_database: dict[str, Any], tmp_path: Path
) -> None:
    """A database that no LoopBack ever saw: models are written, relations included, and work at once."""
    database = SqlConnector("db", mysql_database, tmp_path)
    for statement in (
        "CREATE TABLE customers (customer_id INT AUTO_INCREMENT PRIMARY KEY, full_name VARCHAR(80) NOT NULL)",
        "CREATE TABLE order_lines (id INT AUTO_INCREMENT PRIMARY KEY, customer_id INT, price DECIMAL(8,2))",
        "ALTER TABLE order_lines ADD FOREIGN KEY (customer_id) REFERENCES customers (customer_id)",
        "INSERT INTO customers (full_name) VALUES ('Ada')",
        "INSERT INTO order_lines (customer_id, price) VALUES (1, 2.50)",
    ):
        database.execute(statement)
    database.disconnect()
    gateway.ctl("add", "legacy", "--no-start")
    (gateway.tenants / "legacy/datasources.json").write_text(json.dumps({"db": mysql_database}))
    assert "order-lines.json" in gateway.ctl("schema", "discover", "legacy").output
    assert "nothing to change" in gateway.ctl("schema", "plan", "legacy", "--model", "OrderLines").output
    gateway.ctl("schema", "apply", "legacy")  # the built-in models' tables
    gateway.ctl("start", "legacy")
    query = quote(json.dumps({"include": "customer"}))
    answer = gateway.get(f"/legacy/api/OrderLines?filter={query}")
    assert answer.status == 200, gateway.ctl("logs", "legacy").output
    [line] = answer.json()
    assert (line["price"], line["customer"]["fullName"]) == (2.5, "Ada")
    assert len(gateway.get("/legacy/api/Customers/1/orderLines").json()) == 1
    gateway.ctl("remove", "legacy", "--yes")
