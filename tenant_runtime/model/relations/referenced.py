"""referencesMany on an instance: a list of ids in a property of the owner.

In charge of: the related objects and the list. Must not know: HTTP.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, as_json
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import own_properties, to_text
from tenant_runtime.model.relations.base import Options, RelationScope


class ReferencesManyScope(RelationScope):
    """See the module."""

    @property
    def ids(self) -> list[Any]:
        """The ids that the owner holds."""
        value = self.instance._data.get(self.relation.key_from)
        return list(value) if isinstance(value, list) else []

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> list[Instance]:
        """In the order of the ids, unless the filter has an order."""
        query = self.relation.scoped(filter or {})
        if query.get("where") == {}:
            del query["where"]
        return await self.relation.target.find_by_ids(self.ids, query, options)

    find = get

    async def count(self, where: Filter | None = None, options: Options = None) -> int:
        """As the original: of the target's whole collection."""
        return await self.relation.target.count(where, options)

    async def find_by_id(self, fk: Any, options: Options = None) -> Instance:
        """The object of that id, if the owner refers to it; else a 404."""
        relation = self.relation
        found = await relation.target.find_by_ids([fk], relation.scoped({}), options)
        if not found:
            raise LoopbackError(
                f"No instance with id {to_text(fk)} found for {relation.target.name}", status=404
            )
        if not self._holds(found[0].id):
            raise LoopbackError(
                f"Key mismatch: {relation.model_from.name}.{relation.key_from}: {as_json(self.ids)}, "
                f"{relation.target.name}.{relation.key_to}: {to_text(found[0].id)}",
                status=400,
            )
        return found[0]

    def _holds(self, id: Any) -> bool:
        return to_text(id) in [to_text(known) for known in self.ids]

    async def exists(self, fk: Any, options: Options = None) -> bool:
        """Whether the owner refers to the object of that id."""
        return self._holds(fk)

    async def at(self, index: int, options: Options = None) -> Instance:
        """The object at that position of the ids."""
        return await self.find_by_id(self.ids[index], options)

    async def update_by_id(self, fk: Any, data: dict[str, Any], options: Options = None) -> Instance:
        """Change the object of that id, if the owner refers to it."""
        found = await self.find_by_id(fk, options)
        return await found.patch_attributes(data, options)

    async def destroy(self, fk: Any, options: Options = None) -> None:
        """Take it out of the list and delete it."""
        found = await self.find_by_id(fk)
        await self.remove(found)
        await found.delete()

    async def destroy_all(self, where: Filter | None = None, options: Options = None) -> dict[str, int]:
        """As the original: of the target's whole collection."""
        return await self.relation.target.destroy_all(where, options)

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new object to refer to, not stored yet. A list is one object, as in the original."""
        given = dict(own_properties(data))
        self.relation.apply_properties(self.instance, given)
        return self.relation.target(given)

    async def create(self, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """Store a new object and its id in the owner."""
        created = await self.build(data).save(options)
        await self._insert(created.id, options)
        return created

    async def _insert(self, id: Any, options: Options) -> None:
        ids = [id, *self.ids] if self.relation.options.get("prepend") else [*self.ids, id]
        await self.instance.patch_attributes({self.relation.key_from: ids}, options)

    async def add(
        self, fk: Any, data: dict[str, Any] | None = None, options: Options = None
    ) -> Instance | None:
        """The referred object; None when there is none. A duplicate is a 422 of the owner."""
        if isinstance(fk, Instance):
            found: Instance | None = fk
        else:
            query = self.relation.scoped({"where": {self.relation.key_to: fk}})
            found = await self.relation.target.find_one(query, options)
        if found is None:
            return None
        await self._insert(found.id, options)
        return found

    async def remove(self, fk: Any, options: Options = None) -> list[Any]:
        """Take the id out of the owner; the object stays."""
        wanted = to_text(fk.id if isinstance(fk, Instance) else fk)
        ids = self.ids
        for position, id in enumerate(ids):
            if to_text(id) == wanted:
                del ids[position]
                await self.instance.patch_attributes({self.relation.key_from: ids}, options)
                break
        return ids
