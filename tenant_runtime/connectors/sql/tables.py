"""Model definitions as SQLAlchemy tables.

In charge of: one ``Mapping`` for each model: its table, its columns by property name and how their values
travel. Column names and types are the original's (``columns``). Must not know: queries, connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import UserDefinedType

from tenant_runtime.connectors.sql.columns import (
    column_name,
    column_type,
    is_serial,
    schema_name,
    table_name,
)
from tenant_runtime.connectors.sql.values import Codec, codec
from tenant_runtime.model.definition import ModelDefinition, Property

#: SQLAlchemy's dialects by LoopBack's connector name; positional parameters on all of them.
DIALECTS: dict[str, Dialect] = {
    "mysql": mysql.pymysql.dialect(),
    "postgresql": postgresql.psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
    "sqlite3": sqlite.pysqlite.dialect(),
}


class ColumnType(UserDefinedType[Any]):
    """A column type by its SQL text; values are converted by codecs, so SQLAlchemy leaves them alone."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_: Any) -> str:
        return self.spec


@dataclass(frozen=True, slots=True)
class Mapping:
    """A model's table. ``columns`` and ``codecs`` are by property name, ``ids`` the key's properties."""

    dialect: str
    model: ModelDefinition
    table: sa.Table
    columns: dict[str, sa.Column[Any]]
    codecs: dict[str, Codec]
    ids: tuple[str, ...]
    serial: str | None  # the property that the store numbers itself

    def property(self, name: str) -> Property:
        return self.model.properties[name]


class Mappings(AbstractMapping[str, Mapping]):
    """A data source's mappings by model name, each made when it is first asked for.

    Most apps' requests never come to most of the built-in models: their tables would cost every boot time and
    memory. Two threads that ask at once may both make one; the first is kept.
    """

    def __init__(self, make: Callable[[ModelDefinition], Mapping]) -> None:
        self._make = make
        self._models: dict[str, ModelDefinition] = {}
        self._made: dict[str, Mapping] = {}

    def define(self, model: ModelDefinition) -> None:
        """The model as it is from now on; what was made of an earlier definition is forgotten."""
        self._models[model.name] = model
        self._made.pop(model.name, None)

    def __getitem__(self, name: str) -> Mapping:
        made = self._made.get(name)
        return made if made is not None else self._made.setdefault(name, self._make(self._models[name]))

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)


def map_model(
    dialect: str, model: ModelDefinition, *, schema: str | None = None, zone: tzinfo | None = UTC
) -> Mapping:
    """The mapping of a model; ``schema`` is the data source's default one, ``zone`` its time zone."""
    columns: dict[str, sa.Column[Any]] = {}
    for name, prop in model.properties.items():
        # The key is not marked: statements name what they need, and SQLAlchemy warns of ids left out.
        columns[name] = sa.Column(column_name(dialect, prop), ColumnType(column_type(dialect, prop)))
    table = sa.Table(
        table_name(dialect, model),
        sa.MetaData(),
        *columns.values(),
        schema=schema_name(dialect, model, schema),
    )
    return Mapping(
        dialect=dialect,
        model=model,
        table=table,
        columns=columns,
        codecs={name: codec(dialect, prop, zone) for name, prop in model.properties.items()},
        ids=tuple(prop.name for prop in model.id_properties),
        serial=next((p.name for p in model.id_properties if is_serial(dialect, p)), None),
    )
