"""Roles: who is in one.

In charge of: the dynamic roles (``$owner`` and the like), resolvers registered by the app, and roles kept in
the Role and RoleMapping models. Must not know: access control entries, HTTP.

Behaviour: LoopBack 3, ``common/models/role.js``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tenant_runtime.access.acl import AUTHENTICATED, EVERYONE, OWNER, ROLE, UNAUTHENTICATED, USER
from tenant_runtime.access.context import AccessContext, Principal, member, text_of
from tenant_runtime.access.families import has_many_user_models

log = logging.getLogger(__name__)

Resolver = Callable[[str, AccessContext], "bool | Awaitable[bool]"]


class Roles:
    """The role resolvers of one app. ``$related`` has none, as in the original: nobody is ever in it."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._resolvers: dict[str, Resolver] = {
            OWNER: self._resolve_owner,
            AUTHENTICATED: lambda role, context: context.is_authenticated,
            UNAUTHENTICATED: lambda role, context: not context.is_authenticated,
            EVERYONE: lambda role, context: True,
        }

    def register(self, name: str, resolver: Resolver) -> None:
        """Decides membership of ``name`` by a function of the role's name and the context, sync or async."""
        self._resolvers[name] = resolver

    async def is_in_role(self, role: str, context: AccessContext) -> bool:
        """Whether the caller is in the role: by its resolver if it has one, else by principal or mapping."""
        resolver = self._resolvers.get(role)
        if resolver is not None:
            answer = resolver(role, context)
            return bool(await answer if inspect.isawaitable(answer) else answer)
        if not context.principals:
            return False
        if any(p.type == ROLE and p.id == role for p in context.principals):
            return True
        return await self._is_mapped(role, context.principals)

    async def _is_mapped(self, role: str, principals: list[Principal]) -> bool:
        roles, mappings = self._registry.by_type("Role"), self._registry.by_type("RoleMapping")
        if roles.data_source is None or mappings.data_source is None:
            return False
        found = await roles.find_one({"where": {"name": role}})
        if found is None:
            return False
        for principal in principals:
            if not principal.type or not principal.id:
                continue
            where = {
                "roleId": text_of(found.id),
                "principalType": principal.type,
                "principalId": text_of(principal.id),
            }
            if await mappings.find_one({"where": where}) is not None:
                return True
        return False

    async def get_roles(self, context: AccessContext, *, only_names: bool = False) -> list[Any]:
        """The caller's roles: names of the dynamic ones, then ids (or names) of the mapped ones."""
        roles: list[Any] = [name for name in self._resolvers if await self.is_in_role(name, context)]
        mappings = self._registry.by_type("RoleMapping")
        for principal in context.principals:
            if principal.id is None or not principal.type:
                continue
            principal_id = text_of(principal.id)
            if principal.type == ROLE:
                roles.append(principal_id)
            filter = {"where": {"principalType": principal.type, "principalId": principal_id}}
            for mapping in await mappings.find(filter):
                roles.append(await self._name_of(mapping.roleId) if only_names else mapping.roleId)
        return list(dict.fromkeys(role for role in roles if role))

    async def _name_of(self, role_id: Any) -> str | None:
        role = await self._registry.by_type("Role").find_by_id(role_id)
        return None if role is None else role.name

    async def _resolve_owner(self, role: str, context: AccessContext) -> bool:
        user = context.user
        if context.model is None or not context.model_id or user is None:
            return False
        loaded = None if context.remoting is None else context.remoting.instance
        if loaded is not None and not (
            loaded.model is context.model and _same_id(loaded.id, context.model_id)
        ):
            loaded = None
        options = {"accessToken": context.access_token}
        return await self.is_owner(context.model, context.model_id, user, options, loaded)

    async def is_owner(
        self, model: Any, model_id: Any, user: Principal, options: dict[str, Any], loaded: Any = None
    ) -> bool:
        """Whether the instance (``loaded``, where the call has it already) belongs to the user.

        A user owns itself. Otherwise the model's ``ownerRelations`` say which relations tell the owner;
        without them a property ``userId`` or ``owner``, then the first belongsTo relation to a user model.
        With several user models the principal's type must be the name of the right one.
        """
        if not user.id:
            return False
        many = has_many_user_models(self._registry.by_type("User"))
        if many == (user.type == USER):
            return False
        if model.extends("User") and user.type in (USER, model.name):
            return _same_id(model_id, user.id)
        instance = loaded if loaded is not None else await model.find_by_id(model_id, None, options)
        if instance is None:
            return False
        wanted = model.settings.get("ownerRelations")
        if not wanted:
            return await self._owns_by_convention(model, instance, user)
        for name in _user_relations(model, user):
            if (wanted is True or (isinstance(wanted, list) and name in wanted)) and await _targets(
                instance, name, user
            ):
                return True
        return False

    async def _owns_by_convention(self, model: Any, instance: Any, user: Principal) -> bool:
        owner_id = member(instance, "userId") or (
            None if "owner" in model.relations else member(instance, "owner")
        )
        if user.type == USER and owner_id:
            return _same_id(owner_id, user.id)
        # Only the first such relation counts: the original stops there, whoever it names.
        first = next(_user_relations(model, user), None)
        return first is not None and await _targets(instance, first, user)


def owner_key(model: Any, user: Principal) -> str | None:
    """The property that holds the owner's id, None when the model has no owner.

    A user model is its own owner. Otherwise as ``is_owner`` looks for it, but in the model, not in one
    object.
    """
    if model.extends("User") and user.type in (USER, model.name):
        return str(model.definition.id_property.name)
    wanted = model.settings.get("ownerRelations")
    relations = list(_user_relations(model, user))
    if wanted:
        relations = [name for name in relations if wanted is True or name in wanted]
    elif user.type == USER:
        for name in ("userId", "owner"):
            if name in model.definition.properties:
                return name
    return str(model.relations[relations[0]].key_from) if relations else None


def _user_relations(model: Any, user: Principal) -> Iterator[str]:
    """The belongsTo relations whose target is a user model of the principal's type."""
    for name, relation in model.relations.items():
        if relation.kind != "belongsTo" or relation.model_to is None:
            continue
        if not relation.model_to.extends("User"):
            continue
        wanted = relation.model_to.name if has_many_user_models(relation.model_to) else USER
        if user.type == wanted:
            yield name


async def _targets(instance: Any, relation: str, user: Principal) -> bool:
    """Whether the relation of the instance leads to that user."""
    target = await instance.relation(relation).get()
    return bool(target) and _same_id(target.id, user.id)


def _same_id(one: Any, other: Any) -> bool:
    if one in (None, "") or other in (None, ""):
        return False
    return text_of(one) == text_of(other)
