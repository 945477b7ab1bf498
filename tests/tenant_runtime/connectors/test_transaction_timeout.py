"""A transaction that code never ends gives its connection back."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tenant_runtime.connectors.datasource import create_data_source
from tenant_runtime.errors import LoopbackError


async def test_a_transaction_that_nobody_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = create_data_source("db", {"connector": "sqlite3", "file": "db.sqlite"}, tmp_path)
    await source.connect()
    handle = await source.begin(None, 0.05)
    with trio.fail_after(5):
        async with source.transaction():  # SQLite has one writer: this one waits for the other's end
            pass
    assert not handle.active
    assert 'a transaction on the data source "db" is rolled back: open for 0.05 s' in caplog.text
    with pytest.raises(LoopbackError):
        await handle.commit()
    await source.disconnect()


async def test_one_that_was_ended_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = create_data_source("db", {"connector": "sqlite3", "file": "db.sqlite"}, tmp_path)
    await source.connect()
    handle = await source.begin(None, 0.05)
    await handle.commit()
    await trio.sleep(0.1)
    assert "rolled back" not in caplog.text
    await source.disconnect()
