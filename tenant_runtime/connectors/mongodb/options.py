"""A mongodb entry of datasources.json as arguments of pymongo's client.

In charge of: LoopBack's names, old and new, and which of them pymongo takes. Must not know: the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

from tenant_runtime.errors import ConfigurationError

#: pymongo's option → the keys of datasources.json that mean it, the first one present wins.
OPTIONS: dict[str, tuple[str, ...]] = {
    "authSource": ("authSource", "authsource"),
    "authMechanism": ("authMechanism",),
    "replicaSet": ("replicaSet", "rs_name"),
    "tls": ("tls", "ssl"),
    "tlsCAFile": ("tlsCAFile",),
    "tlsCertificateKeyFile": ("tlsCertificateKeyFile",),
    "tlsAllowInvalidCertificates": ("tlsAllowInvalidCertificates",),
    "tlsAllowInvalidHostnames": ("tlsAllowInvalidHostnames",),
    "connectTimeoutMS": ("connectTimeoutMS", "connectionTimeout"),
    "serverSelectionTimeoutMS": ("serverSelectionTimeoutMS", "connectionTimeout", "connectTimeoutMS"),
    "socketTimeoutMS": ("socketTimeoutMS",),
    "maxPoolSize": ("maxPoolSize", "poolSize", "connectionLimit"),
    "minPoolSize": ("minPoolSize", "minSize"),
    "maxIdleTimeMS": ("maxIdleTimeMS",),
    "heartbeatFrequencyMS": ("heartbeatFrequencyMS",),
    "localThresholdMS": ("localThresholdMS", "acceptableLatencyMS"),
    "readPreference": ("readPreference",),
    "readConcernLevel": ("readConcernLevel",),
    "compressors": ("compressors",),
    "w": ("w",),
    "wTimeoutMS": ("wTimeoutMS", "wtimeoutMS", "wtimeout"),
    "journal": ("journal", "j"),
    "retryReads": ("retryReads",),
    "retryWrites": ("retryWrites",),
    "appname": ("appname", "appName"),
    "directConnection": ("directConnection",),
}

#: pymongo's options that make more of a connection, or that count by operation.
ELABORATE = frozenset(
    (
        *("authSource", "authMechanism", "replicaSet", "tls", "tlsCAFile", "tlsCertificateKeyFile"),
        *("readPreference", "compressors", "wTimeoutMS"),
    )
)

DEFAULT_THREADS = 4
#: A request to a data source that is down is answered 503 after this long, not after pymongo's 30 seconds.
DEFAULT_SELECTION_TIMEOUT_MS = 3000


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """``uri`` may hold a password: never shown."""

    uri: str
    database: str
    keywords: dict[str, Any]
    threads: int
    is_plain: bool = False  # its connections need no account, no encryption, no compression
    connect_seconds: float = DEFAULT_SELECTION_TIMEOUT_MS / 1000
    answer_seconds: float = math.inf

    def __repr__(self) -> str:
        return f"ClientOptions(database={self.database!r})"


def client_options(data_source: str, settings: dict[str, Any]) -> ClientOptions:
    """Read the settings; ``url`` wins over host, port and user. ConfigurationError without the url's text."""
    url = settings.get("url")
    uri = str(url) if url else uri_of(settings)
    scheme, _, rest = uri.partition("://")
    if scheme not in ("mongodb", "mongodb+srv") or not rest:
        raise ConfigurationError(
            "url must begin with mongodb:// or mongodb+srv://",
            file="datasources.json",
            pointer=f"/{data_source}/url",
        )
    in_url = urlsplit(uri).path.lstrip("/")
    database = in_url or str(settings.get("database") or settings.get("db") or "test")
    keywords: dict[str, Any] = {"serverSelectionTimeoutMS": DEFAULT_SELECTION_TIMEOUT_MS}
    for option, names in OPTIONS.items():
        present = [settings[name] for name in names if settings.get(name) is not None]
        # A url's own options win, as its address does.
        if present and f"{option.lower()}=" not in uri.lower():
            keywords[option] = present[0]
    threads = int(keywords.get("maxPoolSize") or DEFAULT_THREADS)
    keywords.setdefault("maxPoolSize", threads)
    return ClientOptions(
        uri,
        database,
        keywords,
        threads,
        is_plain=is_plain(uri, keywords),
        connect_seconds=float(keywords["serverSelectionTimeoutMS"]) / 1000,
        answer_seconds=float(keywords.get("socketTimeoutMS") or math.inf) / 1000,
    )


def is_plain(uri: str, keywords: dict[str, Any]) -> bool:
    """Whether a connection has to be no more than one; options in the address are pymongo's to read."""
    parts = urlsplit(uri)
    return (
        parts.scheme == "mongodb"
        and "@" not in parts.netloc
        and not parts.query
        and not ELABORATE & set(keywords)
    )


def uri_of(settings: dict[str, Any]) -> str:
    """From the separate keys: protocol, host, port, user, password, database."""
    protocol = settings.get("protocol") or "mongodb"
    host = settings.get("hostname") or settings.get("host") or "127.0.0.1"
    if ":" in str(host) and not str(host).startswith("["):
        host = f"[{host}]"
    port = "" if protocol == "mongodb+srv" else f":{settings.get('port') or 27017}"
    user, password = settings.get("username") or settings.get("user"), settings.get("password")
    account = f"{quote_plus(str(user))}:{quote_plus(str(password))}@" if user and password else ""
    database = settings.get("database") or settings.get("db") or "test"
    return f"{protocol}://{account}{host}{port}/{quote_plus(str(database))}"
