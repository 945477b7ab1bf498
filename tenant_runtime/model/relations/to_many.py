"""hasMany on an instance, with and without a join model.

In charge of: the related objects' queries and writes. hasAndBelongsToMany is hasMany through a join model.
Must not know: HTTP.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_query, merge_where
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import own_properties, to_text, truthy
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.names import camelize
from tenant_runtime.model.relations.base import Options, Relation, RelationScope, refuse_other_key
from tenant_runtime.model.types import is_objectid


class HasManyScope(RelationScope):
    """The targets hold the foreign key."""

    def _filter(self) -> Filter:
        return self.relation.scoped({"where": {self.relation.key_to: self.key}})

    def _where(self, where: Filter | None) -> Filter:
        result: Filter = merge_where(self._filter().get("where"), where)
        return result

    @property
    def _rows(self) -> ModelClass:
        """The model whose objects carry the foreign key."""
        return self.relation.target

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> list[Instance]:
        """The related objects; kept until ``refresh``."""
        cached = self.cached()
        if filter is None and not refresh and isinstance(cached, list):
            return cached
        query = merge_query(filter or {}, self._filter(), {"nestedInclude": True})
        found = await self.relation.target.find(query, options)
        if filter is None:
            self.remember(found)
        return found

    find = get

    async def find_one(self, filter: Filter | None = None, options: Options = None) -> Instance | None:
        """The first related object that matches, or None."""
        return await self.relation.target.find_one(merge_query(self._filter(), filter or {}), options)

    async def count(self, where: Filter | None = None, options: Options = None) -> int:
        """How many related objects match."""
        return await self._rows.count(self._where(where), options)

    async def destroy_all(self, where: Filter | None = None, options: Options = None) -> dict[str, int]:
        """Delete the related objects that match."""
        self.forget()
        return await self._rows.destroy_all(self._where(where), options)

    async def update_all(
        self, where: Filter | None, data: dict[str, Any], options: Options = None
    ) -> dict[str, int]:
        """Change the related objects that match."""
        return await self._rows.update_all(self._where(where), data, options)

    def _owned(self, item: Any) -> dict[str, Any]:
        owned = {**(item or {}), self.relation.key_to: self.key}
        self.relation.apply_properties(self.instance, owned)
        return owned

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new related object, not stored yet."""
        return self.relation.target(self._owned(data))

    async def create(self, data: Any = None, options: Options = None) -> Any:
        """One object or a list; a foreign key in the data is overwritten."""
        owned = [self._owned(item) for item in data] if isinstance(data, list) else self._owned(data)
        self.forget()
        return await self.relation.target.create(owned, options)

    def is_unset(self) -> bool:
        return self.key is None

    async def find_by_id(self, fk: Any, options: Options = None) -> Any:
        """404 when it is not one of this instance's; None for an owner without a key."""
        relation = self.relation
        target = relation.target
        if self.key is None:
            return None
        query = relation.scoped({"where": {target.id_name: fk, relation.key_to: self.key}})
        found = await target.find_one(query, options)
        if found is None:
            raise _no_instance(fk, target)
        self.check_keys(found, relation.key_from, relation.key_to)
        return found

    async def exists(self, fk: Any, options: Options = None) -> bool:
        """Whether the object of that id is a related one."""
        return isinstance(await self.find_by_id(fk, options), Instance)

    async def update_by_id(self, fk: Any, data: dict[str, Any], options: Options = None) -> Instance:
        """Change the related object of that id; 404 when there is none."""
        found = await self.find_by_id(fk, options)
        refuse_other_key(found, data, self.relation.key_to)
        patched: Instance = await found.patch_attributes(data, options)
        return patched

    async def destroy(self, fk: Any, options: Options = None) -> None:
        """Delete the related object of that id; 404 when there is none."""
        found = await self.find_by_id(fk, options)
        self.forget()
        await found.delete(options)


def _no_instance(fk: Any, target: ModelClass) -> LoopbackError:
    return LoopbackError(f"No instance with id {to_text(fk)} found for {target.name}", status=404)


class HasManyThroughScope(HasManyScope):
    """A join model between the two."""

    @property
    def _rows(self) -> ModelClass:
        return self._through

    @property
    def _through(self) -> ModelClass:
        assert self.relation.through is not None
        return self.relation.through

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> list[Instance]:
        """Without a filter the targets in the order of the join rows; with one, what it selects of them."""
        cached = self.cached()
        if filter is None and not refresh and isinstance(cached, list):
            return cached
        targets = await self._collect(options)
        if filter is None:
            self.remember(targets)
            return targets
        target = self.relation.target
        name = target.id_name
        wanted = _unique([found._data.get(name) for found in targets])
        condition: Filter = {name: {"inq": wanted}}
        if filter.get("where") is not None:
            where = own_properties(filter["where"])
            if truthy(where.get(name)):
                wanted = _selected(wanted, where[name], target)
                if not wanted:
                    return []
            rest = {key: value for key, value in where.items() if key != name}
            condition = {"and": [{name: {"inq": wanted}}, rest]}
        return await target.find({**filter, "where": condition}, options)

    async def _collect(self, options: Options) -> list[Instance]:
        collect = collect_name(self.relation)
        rows = await self._through.find({**self._filter(), "include": collect}, options)
        return [row._related[collect] for row in rows if isinstance(row._related.get(collect), Instance)]

    def keys(self) -> tuple[str, str]:
        """The join model's two foreign keys: to the owner, to the target."""
        relation = self.relation
        target = relation.target
        if relation.polymorphic is not None:
            other = relation.polymorphic.foreign_key if relation.polymorphic.invert else relation.key_through
            return relation.key_to, str(other)
        if relation.model_from is target:
            both = _belongs_to_keys(self._through, target, target.id_name)
            both.sort(key=lambda key: key != relation.key_to)
            return (both[0], both[1]) if len(both) > 1 else (relation.key_to, str(relation.key_through))
        mine = _belongs_to_keys(self._through, relation.model_from, relation.key_from)
        others = _belongs_to_keys(self._through, target, target.id_name)
        return (mine or [relation.key_to])[0], (others or [str(relation.key_through)])[0]

    def _pair(self, fk: Any) -> dict[str, Any]:
        mine, other = self.keys()
        target_id = fk._data.get(self.relation.target.id_name) if isinstance(fk, Instance) else fk
        return {mine: self.key, other: target_id}

    def _pair_filter(self, fk: Any) -> Filter:
        return self.relation.scoped({"where": self._pair(fk)})

    async def find_by_id(self, fk: Any, options: Options = None) -> Any:
        """The object of that id, if it is linked; else a 404."""
        if not await self.exists(fk, options):
            raise self._no_relation(fk, "relation", ",")
        found = await self.relation.target.find_by_id(fk, None, options)
        if found is None:
            raise _no_instance(fk, self.relation.target)
        return found

    def _no_relation(self, fk: Any, what: str, comma: str) -> LoopbackError:
        relation = self.relation
        return LoopbackError(
            f"No {what} found in {self._through.name} for "
            f"({relation.model_from.name}.{to_text(self.key)}{comma}{relation.target.name}.{to_text(fk)})",
            status=404,
        )

    async def exists(self, fk: Any, options: Options = None) -> bool:
        """Whether the object of that id is linked."""
        return await self._through.count(self._pair_filter(fk)["where"], options) > 0

    async def destroy(self, fk: Any, options: Options = None) -> None:
        """Unlink and delete the target."""
        if not await self.exists(fk, options):
            raise self._no_relation(fk, "record", " ,")
        await self.remove(fk, options)
        await self.relation.target.delete_by_id(fk, options)

    async def create(self, data: Any = None, options: Options = None) -> Any:
        """Create the target(s), then a join row for each; a target whose row fails is deleted again."""
        created = await self.relation.target.create(data if data is not None else {}, options)
        self.forget()
        for target in created if isinstance(created, list) else [created]:
            try:
                await self._link(target, {}, options)
            except LoopbackError:
                await target.delete(options)
                raise
        return created

    async def _link(self, fk: Any, data: dict[str, Any], options: Options) -> Instance:
        row = {**data, **self._pair(fk)}
        self.relation.apply_properties(self.instance, row)
        linked, _ = await self._through.find_or_create(self._pair_filter(fk), row, options)
        return linked

    async def add(self, fk: Any, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """The join row, an existing one as it is; whether the target exists is not looked at."""
        self.forget()
        return await self._link(fk, data or {}, options)

    async def remove(self, fk: Any, options: Options = None) -> None:
        """Delete the link to the object of that id; the object stays."""
        self.forget()
        await self._through.destroy_all(self._pair_filter(fk)["where"], options)


def collect_name(relation: Relation) -> str:
    """The join model's belongsTo that leads to the target."""
    if relation.polymorphic is not None and relation.polymorphic.invert:
        return relation.polymorphic.selector
    for candidate in relation.through.relations.values() if relation.through else ():
        leads_there = candidate.model_to is relation.model_to or (
            candidate.polymorphic is not None and candidate.model_to is None
        )
        if candidate.kind == "belongsTo" and leads_there and candidate.key_from == relation.key_through:
            return candidate.name
    return camelize(relation.target.name)


def _belongs_to_keys(model: ModelClass, target: ModelClass, key_to: str) -> list[str]:
    return [
        relation.key_from
        for relation in model.relations.values()
        if relation.kind == "belongsTo" and relation.model_to is target and relation.key_to == key_to
    ]


def _unique(ids: list[Any]) -> list[Any]:
    return list({to_text(id): id for id in ids}.values())


def _selected(ids: list[Any], given: Any, target: ModelClass) -> list[Any]:
    """The ids that the client's own condition on the id leaves: those that are the same value.

    An ObjectID never is the same as a client's text (``strict`` knows better).
    """
    wanted = given["inq"] if isinstance(given, dict) and truthy(given.get("inq")) else [given]
    alike = [(type(item), item) for item in wanted] if isinstance(wanted, list) else []
    identity = target.definition.id_property
    if identity is not None and identity.type.kind == "objectid" and not target.registry.strict:
        ids = [id for id in ids if not is_objectid(id)]
    return [id for id in ids if (type(id), id) in alike]
