"""MongoDB's schema: collections and indexes, brought to what the models ask for.

In charge of: finding the steps and taking them. Which indexes a model wants is decided in ``indexes``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from bson import json_util
from pymongo.collection import Collection
from pymongo.database import Database

from tenant_runtime.connectors.base import SchemaChange
from tenant_runtime.connectors.mongodb.discovery import SAMPLE, model_of
from tenant_runtime.connectors.mongodb.indexes import Index, same, wanted_indexes
from tenant_runtime.connectors.mongodb.mapping import Document, Mapping
from tenant_runtime.model.definition import ModelDefinition

Step = tuple[SchemaChange, Callable[[], Any]]  # what would be done, and what does it


class Schema:
    """The collections of some models. Models may share one: it then gets the indexes of all of them."""

    def __init__(
        self, database: Database[Document], models: dict[str, ModelDefinition], mappings: dict[str, Mapping]
    ) -> None:
        self._database = database
        self._models = models
        self._mappings = mappings

    def steps(self, allow_drop: bool) -> Iterator[Step]:
        """In the order in which they must be taken; nothing is dropped unless allowed."""
        there = set(self._database.list_collection_names())
        kept: dict[str, set[str]] = {}
        for name, model in self._models.items():
            mapping = self._mappings[name]
            collection = self._database[mapping.collection]
            if mapping.collection not in there:
                there.add(mapping.collection)
                yield create_collection(name, collection)
            existing = [dict(index) for index in collection.list_indexes()]
            for index in wanted_indexes(model, mapping):
                kept.setdefault(mapping.collection, set()).add(index.name)
                yield from index_steps(name, collection, index, existing, allow_drop)
        if allow_drop:
            yield from self._stale_indexes(kept)

    def apply(self, allow_drop: bool) -> list[SchemaChange]:
        done = []
        for change, run in self.steps(allow_drop):
            run()
            done.append(change)
        return done

    def reset(self) -> list[SchemaChange]:
        """Drop the models' collections with all they hold, then apply."""
        done = []
        for name, model in {self._mappings[model].collection: model for model in self._models}.items():
            self._database.drop_collection(name)
            done.append(change_of(model, "drop-collection", {"drop": name}, destructive=True))
        return done + self.apply(allow_drop=False)

    def discover(self) -> list[dict[str, Any]]:
        """A model for each collection, from a sample of its documents."""
        names = sorted(self._database.list_collection_names(filter={"type": "collection"}))
        return [
            model_of(name, list(self._database[name].find().limit(SAMPLE)))
            for name in names
            if not name.startswith("system.")
        ]

    def _stale_indexes(self, kept: dict[str, set[str]]) -> Iterator[Step]:
        for name, model in {self._mappings[model].collection: model for model in self._models}.items():
            for index in list(self._database[name].list_indexes()):
                if index["name"] != "_id_" and index["name"] not in kept.get(name, ()):
                    yield drop_index(model, self._database[name], index["name"])


def index_steps(
    model: str, collection: Collection[Document], index: Index, existing: list[Document], allow_drop: bool
) -> Iterator[Step]:
    """Nothing when it is there; one of other options in its place is dropped first, if allowed."""
    if any(same(index, other) for other in existing):
        return
    in_the_way = [
        other["name"]
        for other in existing
        if other["name"] == index.name or tuple(other["key"].items()) == index.keys
    ]
    if in_the_way and not allow_drop:
        return
    for name in in_the_way:
        yield drop_index(model, collection, name)
    yield create_index(model, collection, index)


def create_collection(model: str, collection: Collection[Document]) -> Step:
    change = change_of(model, "create-collection", {"create": collection.name})
    return change, lambda: collection.database.create_collection(collection.name)


def create_index(model: str, collection: Collection[Document], index: Index) -> Step:
    specification = {"key": dict(index.keys), **index.options}
    change = change_of(model, "create-index", {"createIndexes": collection.name, "indexes": [specification]})
    return change, lambda: collection.create_index(list(index.keys), **index.options)


def drop_index(model: str, collection: Collection[Document], name: str) -> Step:
    change = change_of(model, "drop-index", {"dropIndexes": collection.name, "index": name}, destructive=True)
    return change, lambda: collection.drop_index(name)


def change_of(model: str, kind: str, command: Document, *, destructive: bool = False) -> SchemaChange:
    return SchemaChange(model, kind, json.dumps(command, default=json_util.default), destructive)
