"""belongsTo and hasOne on an instance.

In charge of: fetching, creating, updating and deleting the one related object. Must not know: HTTP.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.parse import Filter, merge_query
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import UNDEFINED
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.relations.base import Options, RelationScope, refuse_other_key


class BelongsToScope(RelationScope):
    """The owner of the foreign key looks at its target."""

    def is_unset(self) -> bool:
        return self.key is None

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> Instance | None:
        """The target; None when there is none or the foreign key is empty."""
        relation = self.relation
        target = self._target()
        cached = self.cached()
        if not refresh and not filter and isinstance(cached, Instance):
            return cached
        if self.key is None:
            return None
        query = relation.scoped({"where": {relation.key_to: self.key}})
        if filter:
            query = merge_query(query, filter)
            fields = query.get("fields")
            if isinstance(fields, list) and relation.key_to not in fields:
                query["fields"] = [*fields, relation.key_to]
        found = await target.find_one(query, options)
        if found is None:
            return None
        self.check_keys(found, relation.key_from, relation.key_to)
        self.remember(found)
        return found

    def _target(self) -> ModelClass:
        polymorphic = self.relation.polymorphic
        if polymorphic is None:
            return self.relation.target
        name = self.instance._data.get(polymorphic.discriminator)
        if not isinstance(name, str):
            raise LoopbackError(f"Polymorphic model not found: `{polymorphic.discriminator}` not set")
        model = self.relation.model_from.registry.find_ignoring_case(name)
        if model is None:
            raise LoopbackError(f"Polymorphic model not found: `{name.lower()}`")
        return model

    def set(self, target: Instance) -> None:
        """Point at another object; not saved."""
        self.instance[self.relation.key_from] = target._data.get(self.relation.key_to)
        if self.relation.polymorphic is not None:
            self.instance[self.relation.polymorphic.discriminator] = target.model.name
        self.relation.apply_properties(self.instance, target)
        self.remember(target)

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new object that the relation could lead to, not stored yet."""
        data = dict(data or {})
        self.relation.apply_properties(self.instance, data)
        return self.relation.target(data)

    async def create(self, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """Store a new object and lead the relation to it."""
        data = dict(data or {})
        self.relation.apply_properties(self.instance, data)
        created: Instance = await self.relation.target.create(data, options)
        self.instance[self.relation.key_from] = created._data.get(self.relation.key_to)
        if not self.instance.is_new_record():
            await self.instance.save(options)
        self.remember(created)
        return created

    async def update(self, data: dict[str, Any], options: Options = None) -> Instance:
        """Change the object that the relation leads to."""
        found = await self._existing(options)
        refuse_other_key(found, data, self.relation.key_to)
        return await found.patch_attributes(data, options)

    async def delete(self, options: Options = None) -> Instance:
        """Empty the foreign key; the target stays."""
        await self._existing(options)
        self.instance[self.relation.key_from] = None
        return await self.instance.save(options)

    async def _existing(self, options: Options) -> Instance:
        found = await self.get(options=options)
        if not isinstance(found, Instance):
            raise LoopbackError(f"BelongsTo relation {self.relation.name} is empty")
        return found


class HasOneScope(RelationScope):
    """The target holds the foreign key; there may be one."""

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> Instance | None:
        """The related object, or None."""
        relation = self.relation
        cached = self.cached()
        if not refresh and cached is not UNDEFINED:
            value: Instance | None = cached
            return value
        query = relation.scoped({"where": {relation.key_to: self.key}})
        if filter:
            query = merge_query(query, filter)
        found = await relation.target.find_one(query, options)
        if found is not None:
            self.check_keys(found, relation.key_from, relation.key_to)
            self.remember(found)
        return found

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new related object, not stored yet."""
        return self.relation.target(self._owned(data))

    def _owned(self, data: dict[str, Any] | None) -> dict[str, Any]:
        owned = {**(data or {}), self.relation.key_to: self.key}
        self.relation.apply_properties(self.instance, owned)
        return owned

    async def create(self, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """A second one is an error (a 500 in the original)."""
        relation = self.relation
        query = relation.scoped({"where": {relation.key_to: self.key}})
        target, created = await relation.target.find_or_create(query, self._owned(data), options)
        if not created:
            raise LoopbackError(
                f"HasOne relation cannot create more than one instance of {relation.target.name}"
            )
        self.remember(target)
        return target

    async def update(self, data: dict[str, Any], options: Options = None) -> Instance:
        """Change the related object."""
        found = await self._existing()
        refuse_other_key(found, data, self.relation.key_to)
        return await found.patch_attributes(data, options)

    async def delete(self, options: Options = None) -> dict[str, int]:
        """Delete the related object."""
        found = await self._existing()
        self.forget()
        return await found.delete(options)

    async def _existing(self) -> Instance:
        found = await self.get()
        if found is None:
            raise LoopbackError(f"HasOne relation {self.relation.name} is empty")
        return found
