"""Named scopes: a filter with a name on a model (``scopes`` of a model file).

In charge of: what ``Model.<scope>`` offers (juggler ``scope.js``). Must not know: HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.filter.parse import Filter, merge_query, merge_where
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import own_properties

if TYPE_CHECKING:
    from tenant_runtime.model.model_class import ModelClass

Options = dict[str, Any] | None


class NamedScope:
    """One scope of one model. Its ``where`` is joined to the caller's, its other parts replace them."""

    def __init__(self, model: ModelClass, name: str, filter: Filter) -> None:
        self.model = model
        self.name = name
        self.options: dict[str, Any] = filter.get("options") or {}
        self.filter = {part: value for part, value in filter.items() if part != "options"}

    def _where(self, where: Filter | None) -> Any:
        return merge_where(self.filter.get("where"), where) or {}

    async def get(self, filter: Filter | None = None, options: Options = None) -> list[Instance]:
        """The objects in the scope; a filter narrows it."""
        return await self.model.find(merge_query(filter or {}, self.filter, {"nestedInclude": True}), options)

    find = get

    async def find_one(self, filter: Filter | None = None, options: Options = None) -> Instance | None:
        """The first object in the scope, or None."""
        query = merge_query({"where": self.filter.get("where") or {}}, filter or {})
        return await self.model.find_one(query, options)

    async def find_by_id(
        self, id: Any, filter: Filter | None = None, options: Options = None
    ) -> Instance | None:
        """The object of that id if it is in the scope, else None."""
        return await self.find_one(merge_query({"where": {self.model.id_name: id}}, filter or {}), options)

    async def count(self, where: Filter | None = None, options: Options = None) -> int:
        """How many objects are in the scope."""
        return await self.model.count(self._where(where), options)

    async def destroy_all(self, where: Filter | None = None, options: Options = None) -> dict[str, int]:
        """Delete what is in the scope."""
        return await self.model.destroy_all(self._where(where), options)

    async def update_all(
        self, where: Filter | None, data: dict[str, Any], options: Options = None
    ) -> dict[str, int]:
        """Change what is in the scope."""
        return await self.model.update_all(self._where(where), data, options)

    def build(self, data: dict[str, Any] | None = None) -> Instance:
        """A new object with the scope's equalities."""
        from_scope = self.model.fixed_values(self.filter.get("where"))
        return self.model({**own_properties(data), **from_scope})

    async def create(self, data: dict[str, Any] | None = None, options: Options = None) -> Instance:
        """A new object with the scope's fixed values."""
        return await self.build(data).save(options)


def define_scopes(model: ModelClass) -> None:
    for name, filter in model.definition.scopes.items():
        if name not in model.scopes and isinstance(filter, dict):
            model.scopes[name] = NamedScope(model, name, filter)
