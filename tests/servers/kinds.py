"""The servers by their connector's name."""

from __future__ import annotations

from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import Server

KINDS: dict[str, type[Server]] = {kind.kind: kind for kind in (MariaDB, PostgreSQL, MongoDB)}
