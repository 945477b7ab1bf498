"""The operations of a connector as database commands, and what their replies mean.

In charge of: those that are one command, on one server. A reply that reports an error is not read: the
operation is run again by pymongo, whose errors are known upwards. Must not know: connections.

Source: MongoDB manual, "Database Commands"; the commands are those that pymongo sends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bson import Int64, ObjectId

from tenant_runtime.connectors.base import ConnectorError, Further, NeedsThread, Row
from tenant_runtime.connectors.mongodb.compile import (
    compile_projection,
    compile_sort,
    compile_update,
    compile_where,
    has_near,
    refuse_operators,
)
from tenant_runtime.connectors.mongodb.mapping import Document, Mapping
from tenant_runtime.filter.query import EVERYTHING, Query, Where

#: Documents of one reply; more are asked for.
BATCH = 1000


@dataclass(slots=True)
class Command:
    """A command; ``read`` makes the operation's result of its reply."""

    document: Document
    read: Callable[[Document], Any]


@dataclass(slots=True)
class Commands:
    """``concerns`` are members of every write command or of every read command (``writeConcern``, …)."""

    database: str
    collation: Any = None
    write_concern: Document = field(default_factory=dict)
    read_concern: Document = field(default_factory=dict)

    def create(self, mapping: Mapping, row: Row) -> Command:
        """insert of one document; the result is its id."""
        document = mapping.to_document(row)
        refuse_operators(document)
        identity = row.get(mapping.id_name) if mapping.id_name else None
        stored = ObjectId() if identity is None else mapping.stored_id(identity)
        made = str(stored) if identity is None else identity
        return self._write(
            "insert", mapping, {"documents": [{"_id": stored, **document}]}, lambda reply: made
        )

    def find(self, mapping: Mapping, query: Query) -> Command:
        """find, and getMore as long as there is more."""
        sort = [] if has_near(query.where) else compile_sort(query.order, mapping)
        collation = query.options.get("collation") or self.collation
        batch = min(query.limit or BATCH, BATCH)
        members = {
            "filter": compile_where(query.where, mapping),
            "projection": compile_projection(query.fields, mapping),
            "sort": dict(sort),
            "skip": query.skip,
            "limit": query.limit,
            "collation": collation,
        }
        asked = {name: value for name, value in members.items() if value}
        with_id = query.fields is None or mapping.id_name in query.fields
        rows: list[Row] = []

        def read(reply: Document) -> Any:
            cursor = reply["cursor"]
            documents = cursor["firstBatch"] if "firstBatch" in cursor else cursor["nextBatch"]
            rows.extend([mapping.to_row(document, with_id=with_id) for document in documents])
            if not cursor["id"]:
                return rows
            more = {"getMore": Int64(cursor["id"]), "collection": mapping.collection, "batchSize": BATCH}
            return Further(Command({**more, "$db": self.database}, read))

        return self._read("find", mapping, {**asked, "batchSize": batch}, read)

    def count(self, mapping: Mapping, where: Where = EVERYTHING) -> Command:
        """Of everything it is what the server has noted, as in pymongo's ``estimated_document_count``."""
        document = compile_where(where, mapping)
        if not document:
            return self._read("count", mapping, {}, lambda reply: int(reply["n"]))
        pipeline = [{"$match": document}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]
        return self._read("aggregate", mapping, {"pipeline": pipeline, "cursor": {}}, _counted)

    def update(self, mapping: Mapping, where: Where, changes: Row) -> Command:
        """update of all that match; a count where nothing would change."""
        document = compile_update(changes, mapping)
        if not document:
            return self.count(mapping, where)
        if set(document) != {"$set"}:
            raise NeedsThread("run again after an error it would count twice")
        update = {"q": compile_where(where, mapping), "u": document, "multi": True}
        return self._write("update", mapping, {"updates": [update]}, _number)

    def replace(self, mapping: Mapping, id: Any, row: Row) -> Command:
        """update of one document, as a whole."""
        document = mapping.to_document(row, whole=True)
        if next(iter(document), "").startswith("$"):
            raise NeedsThread("the document looks like an update")
        update = {"q": {"_id": mapping.stored_id(id)}, "u": document}
        return self._write("update", mapping, {"updates": [update]}, _number)

    def delete(self, mapping: Mapping, where: Where) -> Command:
        """delete of all that match."""
        deletion = {"q": compile_where(where, mapping), "limit": 0}
        return self._write("delete", mapping, {"deletes": [deletion]}, _number)

    def _write(
        self, name: str, mapping: Mapping, members: Document, read: Callable[[Document], Any]
    ) -> Command:
        concern = {"writeConcern": self.write_concern} if self.write_concern else {}
        document = {name: mapping.collection, "$db": self.database, "ordered": True, **concern, **members}
        return Command(document, read)

    def _read(
        self, name: str, mapping: Mapping, members: Document, read: Callable[[Document], Any]
    ) -> Command:
        concern = {"readConcern": self.read_concern} if self.read_concern else {}
        return Command({name: mapping.collection, "$db": self.database, **concern, **members}, read)


def ensure_ok(reply: Document) -> Document:
    """The reply, unless it reports an error: that raises NeedsThread, or ConnectorError when the write has
    been done and only its confirmation failed, since an insert must not be run again then."""
    if reply.get("ok") != 1 or "writeErrors" in reply:
        raise NeedsThread("the server refused the command")
    if "writeConcernError" in reply:
        raise ConnectorError(str(reply["writeConcernError"].get("errmsg")))
    return reply


def _number(reply: Document) -> int:
    return int(reply["n"])


def _counted(reply: Document) -> int:
    batch = reply["cursor"]["firstBatch"]
    return int(batch[0]["n"]) if batch else 0
