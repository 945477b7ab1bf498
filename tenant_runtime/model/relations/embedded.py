"""embedsOne and embedsMany on an instance: related objects inside a property of the owner.

In charge of: reading them there, and writing them by changing the owner's property; hooks of the embedded
model around that. Must not know: HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenant_runtime.dao.include import include_related
from tenant_runtime.dao.operation import notify, tree
from tenant_runtime.dao.validating import ensure_valid
from tenant_runtime.errors import LoopbackError
from tenant_runtime.filter.evaluate import predicate
from tenant_runtime.filter.parse import Filter, merge_query
from tenant_runtime.filter.patterns import Budget
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import own_properties, to_text
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.relations.base import Options, Relation, RelationScope


def generate_id(target: ModelClass) -> Any:
    """An id from the target's store, where that can make one for an object that it does not hold; else
    None.
    """
    generate = getattr(target.source().connector, "generate_id", None)
    return generate(target.name) if generate is not None else None


class EmbeddedScope(RelationScope):
    """What both kinds share."""

    @property
    def property(self) -> str:
        return self.relation.key_from

    def adopt(self, embedded: Instance) -> None:
        """What is embedded counts as stored: its id may be set. With ``persistent`` once it has an id."""
        embedded._persisted = bool(embedded.id) if self.relation.options.get("persistent") else True

    async def write(self, value: Any, options: Options) -> None:
        """Put the property's new value into the stored owner."""
        if self.instance.is_new_record():
            self.instance[self.property] = value
            await self.instance.save(options)
        else:
            await self.instance.patch_attributes({self.property: value}, options)

    async def with_hooks(
        self, embedded: Instance, write: Callable[[], Any], options: Options, *, validate_first: bool
    ) -> None:
        """before save, validation, the owner's write, after save; lists validate before the hook."""
        state: dict[str, Any] = {}
        target = self.relation.target
        if validate_first:
            await ensure_valid(embedded, options or {})
        await notify(target, "before save", options or {}, state, instance=embedded)
        if not validate_first:
            await ensure_valid(embedded, options or {})
        await write()
        await notify(target, "after save", options or {}, state, instance=embedded)

    async def delete_with_hooks(self, embedded: Instance, write: Callable[[], Any], options: Options) -> None:
        state: dict[str, Any] = {}
        target = self.relation.target
        await notify(target, "before delete", options or {}, state, instance=embedded)
        await write()
        await notify(target, "after delete", options or {}, state, instance=embedded)


class EmbedsOneScope(EmbeddedScope):
    """One object in the property."""

    def value(self) -> Instance | None:
        value = self.instance._data.get(self.property)
        if not isinstance(value, Instance):
            return None
        self.adopt(value)
        return value

    def is_unset(self) -> bool:
        return self.property not in self.instance._data

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> Instance | None:
        """The embedded object as an instance, or None."""
        return self.value()

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new embedded object, in the owner but not stored yet."""
        relation = self.relation
        given = dict(data or {})
        relation.apply_properties(self.instance, given)
        identity = relation.target.definition.properties.get(relation.key_to)
        wanted = relation.options.get("forceId") or relation.key_to not in given
        if wanted and not relation.options.get("persistent") and identity is not None and identity.generated:
            id = generate_id(relation.target)
            if id is not None:
                given[relation.key_to] = id
        embedded = relation.target(given)
        self.adopt(embedded)
        self.instance[self.property] = embedded
        return embedded

    async def create(self, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """Embed a new object and store the owner; there must be none yet."""
        embedded = self.build(data)

        async def write() -> None:
            await self.write(embedded, options)

        if self.relation.options.get("persistent"):
            await embedded.save(options)
            await write()
        else:
            await self.with_hooks(embedded, write, options, validate_first=False)
        return embedded

    async def update(self, data: dict[str, Any], options: Options = None) -> Instance:
        """Changes it, or makes it when there is none."""
        embedded = self.value()
        if embedded is None:
            return await self.create(data)
        state: dict[str, Any] = {}
        target = self.relation.target
        context = await notify(
            target, "before save", options or {}, state, currentInstance=embedded, data=data
        )
        embedded.set_attributes(data if context is None else context.data)
        await ensure_valid(embedded, options or {})
        await self.instance.save()
        stored = self.instance._data.get(self.property)
        result = stored if isinstance(stored, Instance) else embedded
        await notify(target, "after save", options or {}, state, instance=result)
        return result

    async def delete(self, options: Options = None) -> None:
        """Remove the embedded object and store the owner."""
        embedded = self.value()
        if embedded is None:
            return

        async def write() -> None:
            self.instance.unset_attribute(self.property, nullify=True)
            await self.instance.save()

        await self.delete_with_hooks(embedded, write, options)


class EmbedsManyScope(EmbeddedScope):
    """A list of objects in the property."""

    def values(self) -> list[Any]:
        items = self.instance._data.get(self.property)
        result = list(items) if isinstance(items, list) else []
        for item in result:
            if isinstance(item, Instance):
                self.adopt(item)
        return result

    async def get(
        self, filter: Filter | None = None, refresh: bool = False, options: Options = None
    ) -> list[Any]:
        """``where`` and ``include`` of the filter count; order and paging do not."""
        query = merge_query(self.relation.scoped(filter or {}), None)
        found = self._matching(query.get("where"))
        if query.get("include") and found:
            await include_related(self.relation.target, found, query["include"], options or {})
        return found

    find = get

    def _matching(self, where: Filter | None) -> list[Any]:
        items = self.values()
        if not where:
            return items
        test = predicate(tree(self.relation.target, where, {}), Budget().matcher)
        return [item for item in items if test(item.to_object(False))]

    async def count(self, where: Filter | None = None, options: Options = None) -> int:
        """As the original: of the target's own collection, which embedded objects are not in."""
        return await self.relation.target.count(where, options)

    async def find_by_id(self, fk: Any, options: Options = None) -> Instance | None:
        """The embedded object of that id; 404 when there is none."""
        wanted = to_text(fk)
        for item in self.values():
            if isinstance(item, Instance) and to_text(item._data.get(self.relation.key_to)) == wanted:
                return item
        return None

    async def exists(self, fk: Any, options: Options = None) -> bool:
        """Whether there is an embedded object of that id."""
        return await self.find_by_id(fk) is not None

    def at(self, index: int) -> Instance | None:
        """The embedded object at that position, or None."""
        items = self.values()
        return items[index] if 0 <= index < len(items) else None

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """Append (or with ``prepend`` insert) a new one; not saved. A list is one object there."""
        relation = self.relation
        given = dict(own_properties(data))
        items = self.values()
        identity = relation.target.definition.properties.get(relation.key_to)
        wanted = relation.options.get("forceId") or relation.key_to not in given
        if wanted and not relation.options.get("persistent"):
            if identity is not None and identity.type.kind == "number":
                given[relation.key_to] = max((self._number(item) for item in items), default=0) + 1
            elif (id := generate_id(relation.target)) is not None:
                given[relation.key_to] = id
        relation.apply_properties(self.instance, given)
        embedded = relation.target(given)
        self.adopt(embedded)
        items = [embedded, *items] if relation.options.get("prepend") else [*items, embedded]
        self.instance[self.property] = items
        return embedded

    def _number(self, item: Any) -> int | float:
        value = item._data.get(self.relation.key_to) if isinstance(item, Instance) else None
        return value if isinstance(value, int | float) else 0

    async def create(self, data: Any = None, options: Options = None) -> Any:
        """Embed a new object and store the owner."""
        embedded = self.build(data)

        async def write() -> None:
            await self.write(self.values(), options)

        if self.relation.options.get("persistent"):
            await embedded.save(options)
            await write()
        else:
            await self.with_hooks(embedded, write, options, validate_first=True)
        return embedded

    async def update_by_id(self, fk: Any, data: dict[str, Any], options: Options = None) -> Instance | None:
        """None when there is no such item."""
        items = self.values()
        embedded = await self.find_by_id(fk)
        if embedded is None:
            return None
        state: dict[str, Any] = {}
        target = self.relation.target
        await notify(target, "before save", options or {}, state, currentInstance=embedded, data=data)
        embedded.set_attributes(data)
        await ensure_valid(embedded, options or {})
        await self.write(items, options)
        await notify(target, "after save", options or {}, state, instance=embedded)
        return embedded

    async def destroy(self, fk: Any, options: Options = None) -> None:
        """Remove the embedded object of that id and store the owner."""
        embedded = fk if isinstance(fk, Instance) else await self.find_by_id(fk)
        if embedded is None:
            return
        rest = [item for item in self.values() if item is not embedded]

        async def write() -> None:
            await self.write(rest, options)

        await self.delete_with_hooks(embedded, write, options)

    async def destroy_all(self, where: Filter | None = None, options: Options = None) -> None:
        """Remove the embedded objects that match and store the owner."""
        gone = self._matching(where)
        await self.write([item for item in self.values() if item not in gone], options)

    async def add(self, fk: Any, data: dict[str, Any] | None = None, options: Options = None) -> Any:
        """Embed an item that refers to an object of another model (``options.belongsTo``)."""
        reference = self._reference()
        query = reference.scoped({"where": {reference.key_to: self._id_of(fk, reference)}})
        found = await reference.target.find_one(query, options)
        if found is None:
            return None
        embedded = self.build(data)
        scope = embedded.relation(reference.name)
        scope.set(found)  # type: ignore[attr-defined]
        await self.instance.save(options)
        return embedded

    async def remove(self, fk: Any, options: Options = None) -> None:
        """Remove an object that was added by reference."""
        reference = self._reference()
        items = await self.get({"where": {reference.key_from: self._id_of(fk, reference)}})
        rest = [item for item in self.values() if item not in items]
        self.instance[self.property] = rest
        await self.instance.save(options)

    def _reference(self) -> Relation:
        name = self.relation.options.get("belongsTo")
        reference = self.relation.target.relations.get(name) if name else None
        if reference is None:
            raise LoopbackError(f"Invalid reference: {name}")
        return reference

    @staticmethod
    def _id_of(fk: Any, reference: Relation) -> Any:
        return fk._data.get(reference.target.id_name) if isinstance(fk, Instance) else fk
