"""datasources.json → pymongo."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.connectors.mongodb.options import client_options
from tenant_runtime.errors import ConfigurationError


@pytest.mark.parametrize(
    ("settings", "uri", "database"),
    [
        ({}, "mongodb://127.0.0.1:27017/test", "test"),
        ({"host": "db", "port": 1, "database": "shop"}, "mongodb://db:1/shop", "shop"),
        ({"hostname": "::1", "db": "a"}, "mongodb://[::1]:27017/a", "a"),
        ({"user": "u@x", "password": "p/w", "database": "d"}, "mongodb://u%40x:p%2Fw@127.0.0.1:27017/d", "d"),
        (
            {"url": "mongodb://a,b:2/shop?replicaSet=r", "host": "no"},
            "mongodb://a,b:2/shop?replicaSet=r",
            "shop",
        ),
        ({"url": "mongodb://a", "database": "kept"}, "mongodb://a", "kept"),
        ({"protocol": "mongodb+srv", "host": "x.y", "port": 1}, "mongodb+srv://x.y/test", "test"),
    ],
)
def test_address(settings: dict[str, Any], uri: str, database: str) -> None:
    options = client_options("db", settings)
    assert (options.uri, options.database) == (uri, database)


def test_old_and_new_names() -> None:
    settings = {"ssl": True, "poolSize": 7, "connectionTimeout": 900, "useNewUrlParser": True, "rs_name": "r"}
    options = client_options("db", settings)
    assert options.threads == 7
    assert options.keywords == {
        "tls": True,
        "maxPoolSize": 7,
        "connectTimeoutMS": 900,
        "serverSelectionTimeoutMS": 900,
        "replicaSet": "r",
    }


def test_the_urls_own_options_win() -> None:
    options = client_options("db", {"url": "mongodb://a/b?authSource=admin", "authSource": "other"})
    assert "authSource" not in options.keywords


def test_a_bad_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_options("db", {"url": "http://u:secret@host"})
    assert "secret" not in str(caught.value)
    assert caught.value.pointer == "/db/url"
    assert "secret" not in repr(client_options("db", {"url": "mongodb://u:secret@host"}))
