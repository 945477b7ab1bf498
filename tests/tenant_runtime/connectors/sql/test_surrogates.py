"""Emoji in databases that the original's MySQL driver wrote with its default character set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.connectors.sql.drivers import surrogates
from tenant_runtime.connectors.sql.engine import SqlConnector
from tenant_runtime.filter.query import Query
from tests.tenant_runtime.connectors.sql.conftest import model, prop

GRIN = "\U0001f600"


@given(st.text())
def test_split_texts_are_read_as_they_were(text: str) -> None:
    assert surrogates.split(text).decode(surrogates.ENCODING) == text
    assert text.encode().decode(surrogates.ENCODING) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xed\xa0\xbd\xed\xb8\x80", GRIN),
        (b"\xc3\xbc\xed\xa0\xbd\xed\xb8\x80!", f"ü{GRIN}!"),
        (b"\xed\xa0\xbd?", "\ufffd?"),
        (b"plain", "plain"),
    ],
)
def test_decode(data: bytes, text: str) -> None:
    assert data.decode(surrogates.ENCODING) == text


def test_broken_bytes_stay_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode(surrogates.ENCODING)


def test_old_columns(mysql_database: dict[str, Any], tmp_path: Path) -> None:
    connector = SqlConnector("db", mysql_database, tmp_path)
    connector.define(model("Chat", prop("old", charset="utf8mb3"), prop("new", charset="utf8mb4")))
    connector.connect()
    connector.reset()
    connector.create("Chat", {"old": f"hi {GRIN}"})
    connector.create("Chat", {"new": f"hi {GRIN}"})
    connector.execute("INSERT INTO Chat (new) VALUES (CONVERT(X'EDA0BDEDB880' USING utf8mb4))")
    found = connector.find("Chat", Query(fields=("old", "new")))
    assert [(row["old"], row["new"]) for row in found] == [
        (f"hi {GRIN}", None),
        (None, f"hi {GRIN}"),
        (None, GRIN),
    ]
    stored = connector.execute("SELECT HEX(COALESCE(old, new)) AS bytes FROM Chat LIMIT 2")
    assert [row["bytes"] for row in stored] == ["686920EDA0BDEDB880", "686920F09F9880"]
    connector.disconnect()
