"""MongoDB, by pymongo: the eight operations, indexes as schema, foreign errors translated.

In charge of: the client and its threads' use of it. What is asked is compiled by ``compile``; how rows lie in
documents is ``mapping``. pymongo reconnects by itself: a server that was away costs 503s until it is back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import bson
from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from tenant_runtime.connectors.base import (
    Capabilities,
    ConnectorError,
    DataSourceUnavailable,
    DuplicateKey,
    NeedsThread,
    QueryRefused,
    Row,
    SchemaChange,
    Talk,
    Transaction,
)
from tenant_runtime.connectors.mongodb.commands import Command, Commands, ensure_ok
from tenant_runtime.connectors.mongodb.compile import (
    compile_projection,
    compile_sort,
    compile_update,
    compile_where,
    has_near,
    refuse_operators,
)
from tenant_runtime.connectors.mongodb.mapping import Document, Mapping, encodable, mapping_of
from tenant_runtime.connectors.mongodb.options import client_options
from tenant_runtime.connectors.mongodb.schema import Schema
from tenant_runtime.connectors.mongodb.talk import Address, opened
from tenant_runtime.errors import ConfigurationError as TenantConfigurationError
from tenant_runtime.filter.query import Query, Where
from tenant_runtime.model.definition import ModelDefinition, PropertyType

Result = TypeVar("Result")

CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


#: Operations that are one command each.
ONE_COMMAND = frozenset(("create", "find", "count", "update", "replace", "delete"))


class MongodbConnector:
    """One mongodb entry of datasources.json. Thread-safe, as pymongo is; may be forked until ``connect``."""

    name = "mongodb"

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        self.data_source = name
        self.settings = settings
        self.options = client_options(name, settings)
        self.capabilities = Capabilities(
            threads=self.options.threads,
            dynamic_properties=True,
            nested_queries=True,
            geo=settings.get("enableGeoIndexing") is True,
            generated_id="objectid",
            first_operator=True,
            replaces_with_nulls=settings.get("strict") is not True,
            upsert_checks_whole=True,
        )
        self._models: dict[str, ModelDefinition] = {}
        self._mappings: dict[str, Mapping] = {}
        self._client: MongoClient[Document] | None = None
        self._database: Database[Document] | None = None
        self._collections: dict[str, MongoCollection[Document]] = {}  # made once: a handle costs 10 µs
        self._connecting = threading.Lock()
        self._address: Address | None = None  # of the server that is asked on the event loop
        self.commands = Commands(self.options.database)

    # -- life -----------------------------------------------------------------------------------------------

    def define(self, model: ModelDefinition) -> None:
        """Ids that the store makes are ObjectIDs, whatever their JSON says, as in the original."""
        identity = model.id_property
        if identity is not None and identity.generated:
            identity.type = PropertyType("objectid")
        self._models[model.name] = model
        self._mappings[model.name] = mapping_of(model, self.settings)
        self._collections.pop(model.name, None)

    def connect(self) -> None:
        """Reach the server, and find out whether it can be asked on the event loop."""
        self.ping()
        client = self._client
        if client is not None and self.options.is_plain:
            self._address = single_server(client)
            self.commands = Commands(
                self.options.database,
                self.settings.get("collation"),
                dict(client.write_concern.document),
                dict(client.read_concern.document),
            )

    def disconnect(self) -> None:
        """Close the client; the next operation makes a new one."""
        with self._connecting:
            client, self._client, self._database = self._client, None, None
            self._collections = {}
        if client is not None:
            client.close()

    def ping(self) -> None:
        with self._translated():
            self.database.command("ping")

    @property
    def database(self) -> Database[Document]:
        """The handle, made when first asked for: a ``mongodb+srv`` address is looked up then."""
        database = self._database
        if database is not None:
            return database
        with self._connecting:
            if self._database is None:
                with self._translated():
                    self._client = MongoClient(self.options.uri, **self.options.keywords)
                self._database = self._client.get_database(self.options.database, CODEC)
            return self._database

    def collection(self, model: str) -> MongoCollection[Document]:
        """The model's collection, for tenant code that needs pymongo itself."""
        found = self._collections.get(model)
        if found is None:
            found = self._collections[model] = self.database[self._mappings[model].collection]
        return found

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ConnectionFailure, ExecutionTimeout) as error:
            raise DataSourceUnavailable(
                f"The data source {self.data_source} (mongodb) does not answer."
            ) from error
        except DuplicateKeyError as error:
            # The original does not translate it either: an error without a status, a 500.
            raise DuplicateKey(str(error), status=500, code="11000") from error
        except (ConfigurationError, InvalidURI) as error:
            raise TenantConfigurationError(
                f"the settings do not make a MongoDB client ({type(error).__name__})",
                file="datasources.json",
                pointer=f"/{self.data_source}",
            ) from None  # its text may quote the url with its password
        except (OperationFailure, BSONError) as error:
            raise QueryRefused(str(error)) from error
        except PyMongoError as error:
            raise ConnectorError(str(error)) from error

    # -- the operations -------------------------------------------------------------------------------------

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        """insertOne; an id that the store makes is an ObjectID, seen as text."""
        mapping = self._mappings[model]
        document = mapping.to_document(row)
        refuse_operators(document)
        identity = row.get(mapping.id_name) if mapping.id_name else None
        if identity is not None:
            document["_id"] = mapping.stored_id(identity)
        with self._translated():
            result = retry_encodable(self.collection(model).insert_one, document)
        inserted = result.inserted_id
        return identity if identity is not None else str(inserted)

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        """The rows that match; near comes sorted by distance."""
        mapping = self._mappings[model]
        sort = [] if has_near(query.where) else compile_sort(query.order, mapping)
        with_id = query.fields is None or mapping.id_name in query.fields
        with self._translated():
            cursor = self.collection(model).find(
                compile_where(query.where, mapping),
                compile_projection(query.fields, mapping),
                sort=sort or None,
                skip=query.skip,
                limit=query.limit or 0,
                collation=query.options.get("collation") or self.settings.get("collation"),
            )
            return [mapping.to_row(document, with_id=with_id) for document in cursor]

    def count(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        """All documents are counted by the collection's metadata."""
        document = compile_where(where, self._mappings[model])
        with self._translated():
            if not document:
                return self.collection(model).estimated_document_count()
            return self.collection(model).count_documents(document)

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        """updateMany; how many matched."""
        mapping = self._mappings[model]
        document = compile_update(changes, mapping)
        if not document:
            return self.count(model, where)
        with self._translated():
            update = self.collection(model).update_many
            result = retry_encodable(lambda doc: update(compile_where(where, mapping), doc), document)
            return int(result.matched_count)

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        """replaceOne; 0 when there is none of that id."""
        mapping = self._mappings[model]
        with self._translated():
            replace = self.collection(model).replace_one
            result = retry_encodable(
                lambda doc: replace({"_id": mapping.stored_id(id)}, doc), mapping.to_document(row, whole=True)
            )
            return int(result.matched_count)

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        """deleteMany; how many there were."""
        with self._translated():
            return (
                self.collection(model).delete_many(compile_where(where, self._mappings[model])).deleted_count
            )

    def begin(self, isolation: str | None = None) -> Transaction:
        raise ConnectorError("MongoDB data sources have no transactions here")

    def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        """A callable is given the database's handle and the parameters; a document is run as a command."""
        with self._translated():
            if callable(command):
                return command(self.database, *parameters)
            return self.database.command(command)

    # -- on the event loop ----------------------------------------------------------------------------------

    @property
    def answer_seconds(self) -> float:
        return self.options.answer_seconds

    def dial(self) -> Talk | None:
        """See Talkative; None where pymongo has to choose a server."""
        if self._address is None:
            return None
        try:
            return opened(self._address, self.options.connect_seconds)
        except OSError as error:
            raise self.lost("cannot connect") from error

    def question(self, operation: str, arguments: Sequence[Any]) -> Command | None:
        """See Talkative."""
        if operation not in ONE_COMMAND:
            return None
        model, *rest = arguments
        given = rest[: -1 if rest[-1] is None else None]
        command: Command = getattr(self.commands, operation)(self._mappings[model], *given)
        return command

    def understood(self, question: Command, answer: bytes) -> Any:
        """See Talkative; NeedsThread for an error, which pymongo is to tell."""
        try:
            return question.read(ensure_ok(bson.decode(answer, CODEC)))
        except BSONError as error:
            raise NeedsThread from error

    def lost(self, reason: str) -> ConnectorError:
        return DataSourceUnavailable(
            f"The data source {self.data_source} (mongodb) does not answer: {reason}."
        )

    # -- schema: indexes ------------------------------------------------------------------------------------

    def plan(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        with self._translated():
            return [change for change, _ in self._schema(models).steps(allow_drop)]

    def apply(self, models: Collection[str] | None = None, *, allow_drop: bool = False) -> list[SchemaChange]:
        with self._translated():
            return self._schema(models).apply(allow_drop)

    def reset(self, models: Collection[str] | None = None) -> list[SchemaChange]:
        with self._translated():
            return self._schema(models).reset()

    def discover(self) -> list[dict[str, Any]]:
        with self._translated():
            return self._schema(None).discover()

    def _schema(self, models: Collection[str] | None) -> Schema:
        chosen = {name: m for name, m in self._models.items() if models is None or name in models}
        return Schema(self.database, chosen, self._mappings)


def single_server(client: MongoClient[Document]) -> Address | None:
    """The address of a server that stands alone; None where pymongo has to choose one for each operation."""
    servers = list(client.topology_description.server_descriptions().values())
    if len(servers) == 1 and servers[0].server_type_name == "Standalone":
        address: Address = servers[0].address
        return address
    return None


def retry_encodable(run: Callable[[Document], Result], document: Document) -> Result:
    """Run with the document; when BSON cannot hold a value of it, with what JavaScript would have sent."""
    try:
        return run(document)
    except (OverflowError, UnicodeEncodeError):
        return run(encodable(document))
