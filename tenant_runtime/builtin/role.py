"""The Role model: unique names, and questions that code asks of it (``Role.isInRole(…)``)."""

from __future__ import annotations

from typing import Any

from tenant_runtime.access.acl import APP, ROLE, USER
from tenant_runtime.access.context import AccessContext
from tenant_runtime.access.families import user_models

Query = dict[str, Any] | None


def setup(Role: Any) -> None:
    Role.validates_uniqueness_of("name", message="already exists")
    Role.define("registerResolver", register_resolver)
    Role.define("isInRole", is_in_role)
    Role.define("getRoles", get_roles)
    Role.define("prototype.users", users)
    Role.define("prototype.applications", applications)
    Role.define("prototype.roles", roles)


def register_resolver(Role: Any, name: str, resolver: Any) -> None:
    """The same as ``app.role(name)``."""
    Role.app.roles.register(name, resolver)


async def is_in_role(Role: Any, role: str, context: Any) -> bool:
    """Whether the caller is in the role. ``context``: an AccessContext, or a dict of ``context_of``."""
    return bool(await Role.app.roles.is_in_role(role, context_of(Role, context)))


async def get_roles(Role: Any, context: Any, options: Query = None) -> list[Any]:
    """The caller's roles; with ``returnOnlyRoleNames`` in the options names only."""
    only_names = bool((options or {}).get("returnOnlyRoleNames"))
    found: list[Any] = await Role.app.roles.get_roles(context_of(Role, context), only_names=only_names)
    return found


def context_of(Role: Any, context: Any) -> AccessContext:
    """An AccessContext from LoopBack's plain form.

    Its members are ``principalType``, ``principalId``, ``model``, ``modelId`` and ``accessToken``.
    """
    if isinstance(context, AccessContext):
        return context
    registry = Role.app.registry
    model = context.get("model")
    made = AccessContext(
        model=registry.find(model) if isinstance(model, str) else model,
        model_id=context.get("modelId") or context.get("id"),
        access_token=context.get("accessToken"),
        app=Role.app,
        user_models=user_models(registry),
    )
    if context.get("principalId") is not None:
        made.add_principal(context.get("principalType") or USER, context["principalId"])
    return made


async def users(role: Any, query: Query = None) -> list[Any]:
    """The users in the role; ``where.principalType`` names another user model than the app's own."""
    where = dict((query or {}).get("where") or {})
    principal_type = where.pop("principalType", USER)
    registry = role.model.app.registry
    model = registry.by_type("User") if principal_type == USER else registry.find(principal_type)
    return await _members(role, model, principal_type, {**(query or {}), "where": where})


async def applications(role: Any, query: Query = None) -> list[Any]:
    return await _members(role, role.model.app.registry.by_type("Application"), APP, query)


async def roles(role: Any, query: Query = None) -> list[Any]:
    return await _members(role, role.model, ROLE, query)


async def _members(role: Any, model: Any, principal_type: str, query: Query) -> list[Any]:
    if model is None:
        return []
    mappings = await role.model.app.registry.by_type("RoleMapping").find(
        {"where": {"roleId": role.id, "principalType": principal_type}}
    )
    ids = [mapping.principalId for mapping in mappings]
    where = {**((query or {}).get("where") or {}), "id": {"inq": ids}}
    found: list[Any] = await model.find({**(query or {}), "where": where})
    return found
