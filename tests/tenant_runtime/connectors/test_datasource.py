"""Data sources: connectors by name, connecting late and again, translated errors, transactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.connectors import datasource
from tenant_runtime.connectors.base import Capabilities, DataSourceUnavailable, DuplicateKey
from tenant_runtime.connectors.datasource import DataSource, create_data_source
from tenant_runtime.connectors.memory import MemoryConnector
from tenant_runtime.errors import ConfigurationError, LoopbackError


class FlakyConnector(MemoryConnector):
    """A store that is away until ``up``; it has transactions that note what became of them."""

    def __init__(self) -> None:
        super().__init__("db", {}, Path())
        self.capabilities = Capabilities(inline=False, threads=1, transactions=True)
        self.up = False
        self.attempts = 0
        self.ends: list[str] = []

    def connect(self) -> None:
        self.attempts += 1
        if not self.up:
            raise DataSourceUnavailable("no route to 10.0.0.1:3306 for root:secret")

    def begin(self, isolation: str | None = None) -> Any:
        ends = self.ends

        class Handle:
            def commit(self) -> None:
                ends.append("commit")

            def rollback(self) -> None:
                ends.append("rollback")

        return Handle()

    def execute(self, command: Any, parameters: Any = ()) -> Any:
        raise DuplicateKey("Duplicate entry", status="422", code="ER_DUP_ENTRY", errno=1062)


@pytest.fixture
def flaky() -> FlakyConnector:
    return FlakyConnector()


@pytest.fixture
async def source(flaky: FlakyConnector) -> Any:
    source = DataSource("db", {}, flaky)
    yield source
    await source.disconnect()


@pytest.mark.parametrize("name", ["memory", "loopback-connector-memory", "transient", "kv-memory"])
def test_connectors_by_name(name: str) -> None:
    assert create_data_source("db", {"connector": name}, Path()).name == "db"


def test_an_unknown_connector_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match='unknown connector "oracle"') as caught:
        create_data_source("db", {"connector": "oracle"}, Path())
    assert caught.value.pointer == "/db/connector"


async def test_it_heals(flaky: FlakyConnector, source: DataSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasource, "RETRY_PAUSE_SECONDS", 0.0)
    for _ in range(2):
        with pytest.raises(LoopbackError) as caught:
            await source.ping()
        assert (caught.value.status, caught.value.code) == (503, "DATASOURCE_UNAVAILABLE")
        assert str(caught.value) == 'The data source "db" is not available'
    flaky.up = True
    await source.ping()
    await source.ping()
    assert flaky.attempts == 3


async def test_while_it_is_away_requests_fail_at_once(flaky: FlakyConnector, source: DataSource) -> None:
    for _ in range(5):
        with pytest.raises(LoopbackError):
            await source.ping()
    assert flaky.attempts == 1


async def test_driver_errors_keep_their_members(flaky: FlakyConnector, source: DataSource) -> None:
    flaky.up = True
    with pytest.raises(LoopbackError) as caught:
        await source.execute("INSERT")
    error = caught.value
    assert (error.status, error.code, error.properties) == ("422", "ER_DUP_ENTRY", {"errno": 1062})


async def test_transactions(flaky: FlakyConnector, source: DataSource) -> None:
    flaky.up = True
    async with source.transaction():
        pass
    with pytest.raises(ValueError, match="broken"):
        async with source.transaction() as transaction:
            raise ValueError("broken")
    assert flaky.ends == ["commit", "rollback"]
    with pytest.raises(LoopbackError, match="not active"):
        await transaction.commit()


async def test_a_store_without_transactions_says_so() -> None:
    source = create_data_source("db", {"connector": "memory"}, Path())
    with pytest.raises(LoopbackError, match="has no transactions"):
        await source.begin()
