"""A data source's settings as the driver's connection arguments.

In charge of: the keys of ``datasources.json`` for mysql, postgresql and sqlite3 (reference section 1.3): a
``url`` overrides the separate keys, ``user`` and ``username`` are both accepted. Must not know: sockets.
Nothing here is ever logged: passwords pass through.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

#: Seconds until a connection attempt counts as failed, unless ``connectTimeout`` (milliseconds) says less.
CONNECT_LIMIT_SECONDS = 5.0

#: Seconds that one statement may take, unless ``queryTimeout`` (milliseconds) says otherwise.
QUERY_LIMIT_SECONDS = 60.0

_DRIVERS = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite3": "sqlite3",
    "sqlite": "sqlite3",
}


def dialect_of(settings: dict[str, Any]) -> str:
    """LoopBack's connector name by the ``connector`` setting, ``loopback-connector-…`` included."""
    word = str(settings.get("connector", "")).removeprefix("loopback-connector-").lower()
    return _DRIVERS[word]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a data source is and how to get in. ``arguments`` are the driver's and hold the password."""

    dialect: str
    arguments: dict[str, Any] = field(repr=False)
    threads: int
    database: str
    connect_seconds: float = CONNECT_LIMIT_SECONDS
    query_seconds: float = QUERY_LIMIT_SECONDS
    create_database: bool = False


def target(settings: dict[str, Any], tenant_dir: Path) -> Target:
    dialect = dialect_of(settings)
    if dialect == "sqlite3":
        return _sqlite(settings, tenant_dir)
    known = _from_url(str(settings["url"])) if settings.get("url") else {}
    merged = {key: value for key, value in settings.items() if value is not None} | known
    limit = merged.get("connectionLimit") if dialect == "mysql" else merged.get("max")
    build = _mysql if dialect == "mysql" else _postgresql
    connect = min(_seconds(merged.get("connectTimeout"), CONNECT_LIMIT_SECONDS), CONNECT_LIMIT_SECONDS)
    return Target(
        dialect=dialect,
        arguments=build(merged, connect),
        threads=_threads(limit),
        database=str(merged.get("database") or ""),
        connect_seconds=connect,
        query_seconds=_seconds(merged.get("queryTimeout"), QUERY_LIMIT_SECONDS),
        create_database=dialect == "mysql" and bool(merged.get("createDatabase")),
    )


def _threads(limit: Any) -> int:
    """Four threads and connections; fewer or more (up to ten) when the settings limit the pool."""
    return max(1, min(int(limit), 10)) if isinstance(limit, int | float) else 4


def _seconds(milliseconds: Any, default: float) -> float:
    return float(milliseconds) / 1000 if isinstance(milliseconds, int | float) and milliseconds else default


def _from_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    found: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password is not None else None,
        "database": unquote(parts.path.lstrip("/")) or None,
    }
    found.update(parse_qsl(parts.query))
    return {key: value for key, value in found.items() if value is not None}


def _user(settings: dict[str, Any]) -> Any:
    return settings.get("username") or settings.get("user")


def _mysql(settings: dict[str, Any], connect_seconds: float) -> dict[str, Any]:
    collation = str(settings.get("collation") or "")
    charset = (
        collation.partition("_")[0] or str(settings.get("charset") or "utf8mb4").partition("_")[0].lower()
    )
    arguments: dict[str, Any] = {
        "host": settings.get("host") or settings.get("hostname") or "localhost",
        "port": int(settings.get("port") or 3306),
        "user": _user(settings),
        "password": str(settings.get("password") or "").encode(),  # a text would be sent as latin1
        # "utf8" is MySQL's name for three bytes; emoji need four, and every utf8 column accepts utf8mb4.
        "charset": "utf8mb4" if charset in ("utf8", "utf8mb3") else charset,
        "connect_timeout": connect_seconds,
        "database": None if settings.get("createDatabase") else settings.get("database"),
        "unix_socket": settings.get("socketPath"),
        "ssl": _tls(settings.get("ssl")),
        # Without a word about it, PyMySQL encrypts when the server can; on a Unix socket that is for nothing.
        "ssl_disabled": True if settings.get("socketPath") or settings.get("ssl") is False else None,
    }
    if collation and not collation.startswith("utf8_"):
        arguments["collation"] = collation
    return {key: value for key, value in arguments.items() if value is not None}


def _tls(given: Any) -> dict[str, Any] | None:
    """``ssl``: true, the name of a profile, or {ca, cert, key, rejectUnauthorized} with files' paths."""
    if not given:
        return None
    if not isinstance(given, dict):
        return {"check_hostname": False}
    found = {key: given[key] for key in ("ca", "cert", "key", "cipher") if given.get(key)}
    verify = given.get("rejectUnauthorized", True) and "ca" in found
    return found | {"check_hostname": bool(verify), "verify_mode": "required" if verify else "none"}


def _postgresql(settings: dict[str, Any], connect_seconds: float) -> dict[str, Any]:
    tls = settings.get("ssl")
    options = []
    if settings.get("timezone"):
        options.append(f"-c TimeZone={settings['timezone']}")
    options.append(
        f"-c statement_timeout={int(_seconds(settings.get('queryTimeout'), QUERY_LIMIT_SECONDS) * 1000)}"
    )
    arguments: dict[str, Any] = {
        "host": settings.get("socketPath") or settings.get("host") or settings.get("hostname") or "localhost",
        "port": int(settings.get("port") or 5432),
        "user": _user(settings),
        "password": settings.get("password"),
        "dbname": settings.get("database"),
        "connect_timeout": max(2, round(connect_seconds)),  # libpq's least is two seconds
        "sslmode": settings.get("sslmode") or (_postgresql_sslmode(tls) if tls else None),
        "sslrootcert": tls.get("ca") if isinstance(tls, dict) else None,
        "application_name": settings.get("application_name") or "mtgate",
        "options": " ".join(options),
        "tcp_user_timeout": 30_000,
    }
    return {key: value for key, value in arguments.items() if value is not None}


def _postgresql_sslmode(tls: Any) -> str:
    if isinstance(tls, dict) and tls.get("ca") and tls.get("rejectUnauthorized", True):
        return "verify-full"
    return "require"


def _sqlite(settings: dict[str, Any], tenant_dir: Path) -> Target:
    """``file`` (or ``file_name``) below the tenant's folder; the default is a database in memory."""
    name = str(settings.get("file") or settings.get("file_name") or settings.get("database") or ":memory:")
    memory = name == ":memory:"
    path = name if memory else str(tenant_dir / name)
    return Target(
        dialect="sqlite3",
        arguments={"database": path},
        threads=1 if memory else 2,
        database=path,
        query_seconds=_seconds(settings.get("queryTimeout"), QUERY_LIMIT_SECONDS),
    )
