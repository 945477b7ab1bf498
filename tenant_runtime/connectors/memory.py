"""The memory connector: dicts, and with ``file`` a JSON file in LoopBack's format.

In charge of: storing, the numbering of ids, the file. Filtering and sorting are ``filter.evaluate``'s.
Must not know: instances, hooks.

Rows are kept as LoopBack's JSON would read them back: a declared date is a date, everything else is what
``JSON.stringify`` leaves of it (juggler ``connectors/memory.js`` serialises every record).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tenant_runtime.connectors.base import (
    Capabilities,
    DataSourceUnavailable,
    DuplicateKey,
    QueryRefused,
    Row,
    Transaction,
)
from tenant_runtime.filter.evaluate import predicate, sort_rows
from tenant_runtime.filter.geo import select_near
from tenant_runtime.filter.patterns import Budget
from tenant_runtime.filter.query import EVERYTHING, Compare, Order, Query, Where
from tenant_runtime.filter.where import near_conditions
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.definition import ModelDefinition
from tenant_runtime.model.javascript import (
    INVALID_DATE,
    less_than,
    loosely_equal,
    to_json_value,
    to_number,
    to_text,
    truthy,
)
from tenant_runtime.model.types import to_objectid

CAPABILITIES = Capabilities(inline=True, dynamic_properties=True, nested_queries=True, geo=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """How a model's rows are kept. ``convert``: what a property is stored as, by its name."""

    collection: str
    id_name: str
    id_kind: str
    has_number: bool  # a single id, of type number
    order: tuple[Order, ...]  # of rows for which none is asked
    convert: dict[str, Callable[[Any], Any]]


def kept(model: ModelDefinition) -> Kept:
    """The names and conversions of a model."""
    id_name = model.id_name or "id"
    identity = model.properties.get(id_name)
    return Kept(
        collection=str(model.store("memory").get("collection") or model.name),
        id_name=id_name,
        id_kind=identity.type.kind if identity is not None else "any",
        has_number=[prop.type.kind for prop in model.id_properties] == ["number"],
        order=tuple(Order(prop.name) for prop in model.id_properties),
        convert={
            name: _AS_STORED[prop.type.kind]
            for name, prop in model.properties.items()
            if prop.type.kind in _AS_STORED
        },
    )


class MemoryConnector:
    """See the module."""

    name = "memory"

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        file = settings.get("file")
        self._file = tenant_dir / str(file) if file else None
        # one thread serialises what the file holds; without a file nothing ever blocks
        self.capabilities = replace(CAPABILITIES, inline=False, threads=1) if file else CAPABILITIES
        self._models: dict[str, ModelDefinition] = {}
        self._kept: dict[str, Kept] = {}
        self._collections: dict[str, dict[str, Row]] = {}
        self._next_ids: dict[str, int | float] = {}

    def define(self, model: ModelDefinition) -> None:
        self._models[model.name] = model
        self._kept[model.name] = kept(model)
        self._collections.setdefault(self._kept[model.name].collection, {})

    def connect(self) -> None:
        if self._file is not None:
            self._load(self._file)

    def disconnect(self) -> None:
        """Nothing is open."""

    def ping(self) -> None:
        """Always there."""

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        """Store a row; a missing id is the next number. DuplicateKey for one that is taken."""
        known = self._kept[model]
        name, id_name = known.collection, known.id_name
        next_id = self._next_ids.get(name, 1)
        id = row.get(id_name)
        if not truthy(id):
            id = next_id
        if less_than(next_id, id):
            next_id = to_number(id)
        self._next_ids[name] = next_id + 1
        id = _as_id(known.id_kind, id)
        collection = self._collections[name]
        key = to_text(id)
        if key in collection:
            raise DuplicateKey(f"Duplicate entry for {model}.{id_name}", status=409)
        self._insert(name, key, _stored(known, {**row, id_name: id}))
        self._save()
        return id

    def _insert(self, name: str, key: str, row: Row) -> None:
        """Add a row where JavaScript lists its key: integers ascending, before all other keys."""
        collection = self._collections[name]
        last = next(reversed(collection), None)
        collection[key] = row
        if last is not None and _key_order(last) > _key_order(key):
            self._collections[name] = dict(sorted(collection.items(), key=lambda item: _key_order(item[0])))

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        """Copies of the rows that match, by id unless the query has an order."""
        near = near_conditions(query.where)
        end = None if query.limit is None else query.skip + query.limit
        if not near and not query.order and end and self._is_listed_by_id(model):
            rows = list(islice(self._select(model, query.where), query.skip, end))
        else:
            rows = self._matching(model, EVERYTHING if near else query.where)
            if len(rows) > 1:
                rows = sort_rows(rows, query.order or self._kept[model].order)
            if near:
                rows = list(filter(predicate(query.where, Budget().matcher), select_near(rows, near)))
            rows = rows[query.skip : end]
        if query.fields is not None:
            fields = query.fields
            self._refuse_dots(model, fields, rows)
            return [{name: _deep_copy(row[name]) for name in fields if name in row} for row in rows]
        return [_copy(row) for row in rows]

    def _refuse_dots(self, model: str, fields: tuple[str, ...], rows: list[Row]) -> None:
        """The original makes a property of a field like ``a.b``, which an open model may not have."""
        dotted = next((name for name in fields if "." in name), None)
        if dotted is not None and rows and self._models[model].strict is False:
            raise QueryRefused(
                "Property names containing dot(s) are not supported. "
                f"Model: {model}, dynamic property: {dotted}"
            )

    def count(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        return len(self._matching(model, where))

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        """Change all rows that match."""
        rows = self._matching(model, where)
        if rows:
            stored = _stored(self._kept[model], changes)
            for row in rows:
                row.update(_copy(stored) if len(rows) > 1 else stored)
            self._save()
        return len(rows)

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        known = self._kept[model]
        collection = self._collections[known.collection]
        key = to_text(id)
        if key not in collection:
            return 0
        collection[key] = _stored(known, {**row, known.id_name: id})
        self._save()
        return 1

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        """Delete what matches."""
        collection = self._collections[self._kept[model].collection]
        if where == EVERYTHING:
            count = len(collection)
            collection.clear()
        else:
            found = {id(row) for row in self._matching(model, where)}
            count = len(found)
            for key in [key for key, row in collection.items() if id(row) in found]:
                del collection[key]
        if count:
            self._save()
        return count

    def begin(self, isolation: str | None = None) -> Transaction:
        raise QueryRefused("The memory connector has no transactions")

    def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        """A callable gets the collections: name → id as text → row."""
        if callable(command):
            return command(self._collections, *parameters)
        raise QueryRefused("The memory connector has no query language")

    def _is_listed_by_id(self, model: str) -> bool:
        """Whether rows lie in the order of their ids: numbers, even the last of them an array index."""
        known = self._kept[model]
        last = next(reversed(self._collections[known.collection]), None)
        return known.has_number and last is not None and not _key_order(last)[0]

    def _matching(self, model: str, where: Where) -> list[Row]:
        return list(self._select(model, where))

    def _select(self, model: str, where: Where) -> Iterable[Row]:
        collection = self._collections[self._kept[model].collection]
        if where == EVERYTHING:
            return collection.values()
        if isinstance(where, Compare) and where.op == "eq" and where.path == self._models[model].id_name:
            row = collection.get(to_text(where.value))
            # the key is a text: the condition null is not the id "null"
            if row is None or not loosely_equal(where.value, row.get(where.path)):
                return []
            return [row]
        test = predicate(where, Budget().matcher)
        return filter(test, collection.values())

    def _load(self, file: Path) -> None:
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataSourceUnavailable(f"{file.name}: {error.strerror}") from error
        try:
            content = orjson.loads(text) if text.strip() else {}
            collections: dict[str, dict[str, Any]] = content.get("models") or {}
            self._next_ids.update(content.get("ids") or {})
            owners = {known.collection: known for known in self._kept.values()}
            for name, records in collections.items():
                rows = {key: orjson.loads(text) for key, text in records.items()}
                owner = owners.get(name)
                if owner is not None:
                    rows = {key: _stored(owner, row) for key, row in rows.items()}
                self._collections[name] = dict(sorted(rows.items(), key=lambda item: _key_order(item[0])))
        except (ValueError, AttributeError, TypeError) as error:
            raise DataSourceUnavailable(
                f"{file.name} is not a file of the memory connector: {error}"
            ) from error

    def _save(self) -> None:
        """Write everything to a temporary file and put it in place: a crash leaves the old or the new one."""
        if self._file is None:
            return
        content = {
            "ids": self._next_ids,
            "models": {
                name: {key: orjson.dumps(to_json_value(row)).decode() for key, row in rows.items()}
                for name, rows in self._collections.items()
            },
        }
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as stream:
                stream.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise DataSourceUnavailable(f"{self._file.name}: {error.strerror}") from error


class TransientConnector(MemoryConnector):
    """What embedded models without a store of their own are attached to: nothing outlives a request."""

    name = "transient"

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        super().__init__(name, {}, tenant_dir)
        self.capabilities = replace(CAPABILITIES, generated_id="string")

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        return row.get(self._kept[model].id_name) or self.generate_id(model)

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        return []

    def generate_id(self, model: str) -> Any:
        """For embedded objects: a number of four digits, or 24 hex digits, as the original makes them."""
        if self._kept[model].id_kind == "number":
            return secrets.randbelow(10000)
        return secrets.token_hex(12)


def _key_order(key: str) -> tuple[bool, int]:
    """Array indexes by their number; the order of the others is that of their insertion."""
    is_index = key.isdigit() and key.isascii() and (key == "0" or key[0] != "0") and len(key) < 11
    return (False, int(key)) if is_index else (True, 0)


def _stored_date(value: Any) -> Any:
    date = to_date(value)
    return None if date is INVALID_DATE else date


def _stored_number(value: Any) -> Any:
    """NaN and infinity become null in the record's JSON; a text that is no number is read as NaN again."""
    if isinstance(value, float) and value - value != 0:
        return None
    return to_number(value)


#: What ``fromDb`` makes of a record's declared properties when it reads them.
_AS_STORED: dict[str, Callable[[Any], Any]] = {
    "date": _stored_date,
    "number": _stored_number,
    "boolean": truthy,
}


#: Types whose values JSON keeps as they are.
_AS_THEY_ARE = frozenset((str, int, bool))


def _stored(known: Kept, row: Row) -> Row:
    convert = known.convert
    stored: Row = {}
    for name, value in row.items():
        if value is None:
            stored[name] = None
        elif name in convert:
            stored[name] = convert[name](value)
        else:
            stored[name] = value if type(value) in _AS_THEY_ARE else to_json_value(value)
    return stored


def _as_id(kind: str, id: Any) -> Any:
    if kind == "string":
        return to_text(id)
    if kind == "number":
        return to_number(id) or id
    return to_objectid(id) if kind == "objectid" else id


_HOLDS_OTHERS = frozenset((dict, list))


def _copy(row: Row) -> Row:
    """The row, so that nobody can change what is stored."""
    twin = row.copy()
    if not _HOLDS_OTHERS.isdisjoint(map(type, row.values())):
        for name, value in row.items():
            twin[name] = _deep_copy(value)
    return twin


def _deep_copy(value: Any) -> Any:
    """``copy.deepcopy`` for JSON values, several times as fast."""
    if type(value) is dict:
        return {name: _deep_copy(item) for name, item in value.items()}
    if type(value) is list:
        return [_deep_copy(item) for item in value]
    return value
