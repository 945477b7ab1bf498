"""Access control of one app: asks the roles, lets ``access.acl`` decide, and refuses as the original does.

In charge of: what ``app.enable_auth()`` turns on. The REST adapter calls ``authorize`` once for each call,
after the arguments are coerced and before the method runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenant_runtime.access import acl
from tenant_runtime.access.context import AccessContext, member, text_of
from tenant_runtime.access.families import user_models
from tenant_runtime.access.role import Roles
from tenant_runtime.errors import LoopbackError


class AccessControl:
    """Decides calls for one app. ``roles`` is also where tenant code registers its own resolvers."""

    def __init__(self, app: Any, roles: Roles) -> None:
        self.roles = roles
        self._app = app
        self._user_models: frozenset[str] | None = None

    async def authorize(
        self, model: Any, method: Any, *, token: Any, model_id: Any = None, remoting: Any = None
    ) -> None:
        """Raises the refusal (401, 403 or 404) when the caller may not call the method.

        ``method`` is the SharedMethod, ``token`` the request's access token or None, ``model_id`` as
        ``model_id_of`` finds it. Sets ``authorizedRoles`` on the call's ``options`` argument.
        """
        decision = await self.check(model, method, token=token, model_id=model_id, remoting=remoting)
        if not decision.allowed:
            raise self._refusal(model, model_id, token)
        if remoting is not None:
            remoting.options["authorizedRoles"] = dict.fromkeys(decision.authorized_roles, True)

    async def check(
        self, model: Any, method: Any, *, token: Any, model_id: Any = None, remoting: Any = None
    ) -> acl.Decision:
        """The decision on a call, without refusing it."""
        if not acl.shares_scope(member(token, "scopes") if token is not None else None, method.access_scopes):
            return acl.Decision(acl.DENY)
        names = (*method.aliases, method.name)
        request = acl.AccessRequest(model.name, method.name, method.access_type, names)
        entries = await self._entries(model, request)
        if not entries:
            return acl.Decision(model.settings.get("defaultPermission") or acl.ALLOW)
        context = AccessContext(
            model=model,
            model_id=model_id,
            method=method.name,
            access_type=method.access_type,
            access_token=token,
            remoting=remoting,
            app=self._app,
            user_models=self._known_user_models(),
        )
        roles = {role for role in acl.roles_asked(entries) if await self.roles.is_in_role(role, context)}
        return acl.decide(
            entries,
            request,
            principals={(principal.type, text_of(principal.id)) for principal in context.principals},
            roles=roles,
            default_permission=model.settings.get("defaultPermission"),
        )

    async def _entries(self, model: Any, request: acl.AccessRequest) -> list[acl.Entry]:
        """Rows of the ACL model, entries of the definition, those of a property of the method's name."""
        rows = await self._app.registry.by_type("ACL").find({"where": acl.dynamic_entries_where(request)})
        entries = [acl.make_entry(row.to_object()) for row in rows]
        entries += acl.static_entries(model.definition.acls, model.name, request.method)
        prop = model.definition.properties.get(request.method)
        if prop is not None:
            own = [{**entry, "property": request.method} for entry in prop.raw.get("acls") or ()]
            entries += acl.static_entries(own, model.name, request.method)
        return entries

    def _refusal(self, model: Any, model_id: Any, token: Any) -> LoopbackError:
        """Anonymous callers always get 401; others what ``aclErrorStatus`` of the model or the app says."""
        status = model.settings.get("aclErrorStatus") or self._app.get("aclErrorStatus") or 401
        if token is None or status == 401:
            return LoopbackError("Authorization Required", status=401, code="AUTHORIZATION_REQUIRED")
        if status == 404:
            shown = "undefined" if model_id is None else text_of(model_id)
            message = f"could not find {model.name} with id {shown}"
            return LoopbackError(message, status=404, code="MODEL_NOT_FOUND")
        return LoopbackError("Access Denied", status=status, code="ACCESS_DENIED")

    def _known_user_models(self) -> frozenset[str]:
        if self._user_models is None:
            self._user_models = user_models(self._app.registry)
        return self._user_models


def model_id_of(instance: Any, path: Mapping[str, Any], body: Any, query: Mapping[str, Any]) -> Any:
    """The id that ``$owner`` is asked about: the loaded instance's, else ``id`` in path, body or query."""
    if instance is not None and member(instance, "id"):
        return member(instance, "id")
    for part in (path, body, query):
        if isinstance(part, Mapping) and "id" in part:
            return part["id"]
    return None
