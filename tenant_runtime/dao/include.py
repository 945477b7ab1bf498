"""``include`` of a filter: a query for each relation, and the results hung onto their owners.

In charge of: every shape of include, scopes of includes, what each kind of relation asks (juggler
``include.js``). Must not know: HTTP, what a connector is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tenant_runtime.dao.operation import sanitized_where, tree
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter
from tenant_runtime.filter.where import bad_where
from tenant_runtime.model.javascript import UNDEFINED, json_text, to_text, truthy

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance
    from tenant_runtime.model.model_class import ModelClass
    from tenant_runtime.model.relations.base import Relation

Options = dict[str, Any]

#: How many keys one query asks for at most (the data source's ``inqLimit``).
INQ_LIMIT = 256


@dataclass(slots=True)
class Inclusion:
    """One relation to include: what its query is narrowed by, and what is included in the results."""

    name: str
    scope: Filter | None = None
    inner: Any = None
    times: int = 1


def normalize_include(include: Any, every_key: bool = False) -> list[Inclusion]:
    """All shapes → a list. Of an object with several relations LoopBack takes the first, once for each."""
    if isinstance(include, str):
        return [Inclusion(include)]
    if isinstance(include, dict):
        relation = include.get("rel") or include.get("relation")
        if isinstance(relation, str):
            scope = include.get("scope")
            scope = dict(scope) if isinstance(scope, dict) else {}
            inner = scope.pop("include", None)
            return [Inclusion(relation, scope, inner if truthy(inner) else None)]
        keys = list(include) if every_key else list(include)[:1]
        times = 1 if every_key else len(include)
        return [Inclusion(key, None, None if include[key] is True else include[key], times) for key in keys]
    if isinstance(include, list):
        return [entry for item in include for entry in normalize_include(item, every_key)]
    return []


async def include_related(
    model: ModelClass, instances: list[Instance], include: Any, options: Options, *, nested: bool = False
) -> None:
    """Fetch what ``include`` names for all instances at once and put it among their data.

    ``nested``: they were included themselves. LoopBack then leaves out an empty list that a join model or
    a list of ids leads to.
    """
    if not instances:
        return
    for entry in normalize_include(include, model.registry.strict):
        relation = model.relations.get(entry.name)
        if relation is None:
            status = 400 if model.registry.strict else 500
            raise LoopbackError(
                f'Relation "{entry.name}" is not defined for {model.name} model', status=status
            )
        if not relation.options.get("disableInclude"):
            await _Fetch(relation, instances, entry, options, nested).run()


@dataclass(slots=True)
class _Fetch:
    """The inclusion of one relation for a list of owners."""

    relation: Relation
    owners: list[Instance]
    entry: Inclusion
    options: Options
    nested: bool
    filter: Filter = field(init=False)

    async def run(self) -> None:
        relation = self.relation
        if relation.embed:
            await self._embedded()
            return
        self.filter = self._prepared_filter()
        if relation.kind == "referencesMany":
            await self._references()
            self._leave_out_empty()
        elif relation.multiple and relation.through is not None:
            await self._through()
            self._leave_out_empty()
        elif relation.multiple:
            await self._has_many()
        elif relation.polymorphic is not None and relation.kind == "belongsTo":
            await self._polymorphic_belongs_to()
        else:
            await self._to_one()

    def _prepared_filter(self) -> Filter:
        """The scope's filter, with the keys that are needed to link added to its fields."""
        filter = dict(self.entry.scope or {})
        filter["where"] = self._where(filter.get("where"))
        fields = filter.get("fields")
        if isinstance(fields, str):
            fields = [fields]
        relation = self.relation
        inner = self.entry.inner
        if truthy(fields) and self.entry.scope is not None and inner is not None and relation.model_to:
            keys = [
                known.key_from
                for name in (inner if isinstance(inner, list) else [inner])
                if isinstance(name, str)
                and (known := relation.model_to.relations.get(name)) is not None
                and known.kind == "belongsTo"
            ]
            fields = self._with_fields(fields, keys)
        if truthy(fields):
            filter["fields"] = self._with_fields(fields, [relation.key_to])
        return filter

    def _where(self, given: Any) -> Filter:
        if not truthy(given):
            return {}
        if isinstance(given, list):
            raise bad_where(f"The where clause {json_text(given)} is not an object")
        if not isinstance(given, dict):
            status = 400 if self.relation.model_from.registry.strict else 500
            raise LoopbackError(
                f"Cannot create property on {to_text(given)}", status=status, name="TypeError"
            )
        return dict(given)

    @staticmethod
    def _with_fields(fields: Any, names: Iterable[str]) -> Any:
        if isinstance(fields, list):
            return fields + [name for name in names if name not in fields]
        if isinstance(fields, dict):
            return {**fields, **{name: True for name in names if not truthy(fields.get(name))}}
        return fields

    async def _find(self, target: ModelClass, filter: Filter, key: str, keys: list[Any]) -> list[Instance]:
        """All related objects of those keys; limits count for each key."""
        keys = list({to_text(value): value for value in keys}.values())
        options = {**self.options, "prohibitProtectedPropertiesInQuery": True}
        if filter["where"]:  # for its complaints, which come before those about order and window
            asked = {**filter["where"], key: {"inq": keys}}
            tree(target, sanitized_where(target, asked, options), options)
        if not keys:
            return []
        paged = any(truthy(filter.get(name)) for name in ("limit", "skip", "offset"))
        at_once = paged and target.source().capabilities.per_parent_limit
        size = int(target.source().settings.get("inqLimit") or INQ_LIMIT)
        if at_once:
            options["partitionBy"] = key
        elif paged:
            size = 1
        found: list[Instance] = []
        for start in range(0, len(keys), size):
            page = keys[start : start + size]
            where = {**filter["where"], key: page[0] if len(page) == 1 else {"inq": page}}
            query = {**filter, "where": where}
            # the relation's own scope narrows its targets; through a join model it is left out
            if self.relation.through is None:
                query = self.relation.scoped(query)
            found += await target.find(query, options)
        if at_once:  # as if each key had been asked for by itself, in the order of the keys
            places = {to_text(value): place for place, value in enumerate(keys)}
            found.sort(key=lambda item: places.get(to_text(item._data.get(key)), len(keys)))
        if self.entry.inner is not None and found:
            await include_related(target, found, self.entry.inner, self.options, nested=True)
        return found

    def _put(self, owner: Instance, value: Any) -> None:
        owner._related[self.relation.name] = value
        if value is not None:
            owner._data[self.relation.name] = value

    def _leave_out_empty(self) -> None:
        for owner in self.owners if self.nested else ():
            if not owner._related[self.relation.name]:
                owner._data.pop(self.relation.name, None)

    def _owners_by_key(self) -> dict[str, Instance]:
        """Owners by their key; of several with one key the last gets the related objects, as in LoopBack."""
        name = self.relation.key_from
        return {
            to_text(owner._data[name]): owner
            for owner in self.owners
            if truthy(owner._data.get(name, UNDEFINED))
        }

    def _keys(self) -> list[Any]:
        name = self.relation.key_from
        return [owner._data[name] for owner in self.owners if truthy(owner._data.get(name, UNDEFINED))]

    async def _has_many(self) -> None:
        relation = self.relation
        simple = self.entry.inner is None and relation.kind == "hasMany"
        if simple:
            self._need_keys()
        owners = self._owners_by_key()
        found = await self._find(relation.target, self.filter, relation.key_to, self._keys())
        if not simple:
            found = found * self.entry.times
        related: dict[str, list[Instance]] = {key: [] for key in owners}
        for target in found:
            value = target._data.get(relation.key_to)
            for key in value if isinstance(value, list) else [value]:
                if to_text(key) in related:
                    related[to_text(key)].append(target)
        if not simple:
            for owner in self.owners:
                self._put(owner, [])
        for key, owner in owners.items():
            self._put(owner, related[key])

    def _need_keys(self) -> None:
        name = self.relation.key_from
        for owner in self.owners:
            if owner._data.get(name) is None:
                raise LoopbackError(
                    f'ID property "{name}" is missing for included item: {_as_json(owner)}. '
                    f'Please make sure `fields` include "{name}" if it\'s present in the `filter`',
                    status=400,
                )

    async def _to_one(self) -> None:
        relation = self.relation
        owners: dict[str, list[Instance]] = {}
        for owner in self.owners:
            key = owner._data.get(relation.key_from)
            if truthy(key):
                owners.setdefault(to_text(key), []).append(owner)
            self._put(owner, None)
        found = await self._find(relation.target, self.filter, relation.key_to, self._keys())
        for target in found:
            linked = owners.get(to_text(target._data.get(relation.key_to)), [])
            if relation.kind == "hasOne" and relation.polymorphic is not None:
                linked = linked[-1:]
            for owner in linked:
                self._put(owner, target)

    async def _polymorphic_belongs_to(self) -> None:
        relation = self.relation
        polymorphic = relation.polymorphic
        assert polymorphic is not None
        by_type: dict[str, dict[str, list[Instance]]] = {}
        for owner in self.owners:
            self._put(owner, None)
            kind, key = owner._data.get(polymorphic.discriminator), owner._data.get(relation.key_from)
            if truthy(kind):
                owners = by_type.setdefault(to_text(kind), {})
                if truthy(key):
                    owners.setdefault(to_text(key), []).append(owner)
        for kind, owners in by_type.items():
            target_model = relation.model_from.registry.find_ignoring_case(kind)
            if target_model is None:
                raise LoopbackError(f"Discriminator type {kind} specified but no model exists with such name")
            keys = [linked[0]._data[relation.key_from] for linked in owners.values()]
            for target in await self._find(target_model, self.filter, relation.key_to, keys):
                for owner in owners.get(to_text(target._data.get(relation.key_to)), []):
                    self._put(owner, target)

    async def _through(self) -> None:
        """First the join rows of all owners, then the targets."""
        relation = self.relation
        assert relation.through is not None and relation.key_through is not None
        owners = self._owners_by_key()
        for owner in self.owners:
            self._put(owner, [])
        rows_filter: Filter = {"where": {}}
        if relation.polymorphic is not None:
            rows_filter["where"][relation.polymorphic.discriminator] = relation.model_from.name
        inner, self.entry.inner = self.entry.inner, None
        rows = await self._find(relation.through, rows_filter, relation.key_to, self._keys())
        self.entry.inner = inner
        linked: dict[str, list[Instance]] = {}
        ids = []
        for row in rows:
            id = row._data.get(relation.key_through)
            if truthy(id):
                ids.append(id)
                owner_of_row = owners.get(to_text(row._data.get(relation.key_to)))
                if owner_of_row is not None:
                    linked.setdefault(to_text(id), []).append(owner_of_row)
        target = relation.target
        filter = self.filter
        if truthy(filter.get("fields")):
            filter = {**filter, "fields": self._with_fields(filter["fields"], [target.id_name])}
        targets = await self._find(target, filter, target.id_name, ids)
        for found in targets * self.entry.times:
            for owner in linked.get(to_text(found._data.get(target.id_name)), []):
                owner._related[relation.name].append(found)

    async def _references(self) -> None:
        relation = self.relation
        owners: dict[str, list[Instance]] = {}
        ids: list[Any] = []
        for owner in self.owners:
            self._put(owner, [])
            value = owner._data.get(relation.key_from)
            for id in value if isinstance(value, list) else ():
                ids.append(id)
                owners.setdefault(to_text(id), []).append(owner)
        found = await self._find(relation.target, self.filter, relation.key_to, ids)
        position = {to_text(id): place for place, id in reversed(list(enumerate(ids)))}
        found.sort(key=lambda target: position.get(to_text(target._data.get(relation.key_to)), len(ids)))
        for target in found * self.entry.times:
            for owner in owners.get(to_text(target._data.get(relation.key_to)), []):
                owner._related[relation.name].append(target)

    async def _embedded(self) -> None:
        """Embedded objects are there already."""
        for owner in self.owners:
            scope: Any = self.relation.scope(owner)
            get: Callable[..., Any] = scope.get
            filter = self.entry.scope if self.relation.multiple else None
            value = await get(filter, options=self.options)
            if value is not UNDEFINED and value is not None:
                self._put(owner, value)


def _as_json(owner: Instance) -> str:
    return orjson.dumps(owner.to_json()).decode()
