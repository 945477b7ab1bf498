"""Access control of one app: asks the roles, lets ``access.acl`` decide, and refuses as the original does.

In charge of: what ``app.enable_auth()`` turns on. The REST adapter calls ``authorize`` once for each call,
after the arguments are coerced and before the method runs.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.access import acl
from tenant_runtime.access.context import AccessContext, member, text_of
from tenant_runtime.access.families import user_models
from tenant_runtime.access.reach import reached
from tenant_runtime.access.role import Roles, owner_key
from tenant_runtime.access.rows import StoredEntries
from tenant_runtime.errors import LoopbackError

#: Methods that list objects: there ``$owner`` needs ``ownerFilter`` to mean anything.
_LISTING = {"find": "filter", "findOne": "filter", "count": "where"}


class AccessControl:
    """Decides calls for one app. ``roles`` is also where tenant code registers its own resolvers."""

    def __init__(self, app: Any, roles: Roles) -> None:
        self.roles = roles
        self._app = app
        self._user_models: frozenset[str] | None = None
        self._stored: StoredEntries | None = None
        self._static: dict[tuple[str, str], tuple[int, list[acl.Entry]]] = {}

    async def authorize(
        self, model: Any, method: Any, *, token: Any, model_id: Any = None, remoting: Any = None
    ) -> None:
        """Raises the refusal (401, 403 or 404) when the caller may not call the method.

        ``method`` is the SharedMethod, ``token`` the request's access token or None, ``model_id`` as
        ``model_id_of`` finds it. Sets ``authorizedRoles`` on the call's ``options`` argument; an entry with
        ``ownerFilter`` narrows the call's filter.
        """
        decision = await self.check(model, method, token=token, model_id=model_id, remoting=remoting)
        if remoting is None:
            if not decision.allowed:
                raise self._refusal(model, model_id, token)
            return
        if not decision.allowed and not await self._narrow_to_own(model, method, token, remoting):
            raise self._refusal(model, model_id, token)
        remoting.options["authorizedRoles"] = dict.fromkeys(decision.authorized_roles, True)
        if self._strict():
            await self._authorize_reached(model, method, token, remoting)

    async def check(
        self, model: Any, method: Any, *, token: Any, model_id: Any = None, remoting: Any = None
    ) -> acl.Decision:
        """The decision on a call, without refusing it."""
        if not acl.shares_scope(member(token, "scopes") if token is not None else None, method.access_scopes):
            return acl.Decision(acl.DENY)
        request = _request(model, method)
        entries = await self._entries(model, request)
        if not entries:
            default = model.settings.get("defaultPermission")
            return acl.Decision(default) if default else acl.ALLOWED
        context = self._context(model, method, token, model_id, remoting)
        roles = {role for role in acl.roles_asked(entries) if await self.roles.is_in_role(role, context)}
        return _decide(model, entries, request, context, roles)

    def _context(
        self, model: Any, method: Any, token: Any, model_id: Any, remoting: Any = None
    ) -> AccessContext:
        if self._user_models is None:
            self._user_models = user_models(self._app.registry)
        return AccessContext(
            model=model,
            model_id=model_id,
            method=method.name,
            access_type=method.access_type,
            access_token=token,
            remoting=remoting,
            app=self._app,
            user_models=self._user_models,
        )

    async def _entries(self, model: Any, request: acl.AccessRequest) -> list[acl.Entry]:
        """Rows of the ACL model (none when it has no data source), then the definition's entries."""
        if self._stored is None:
            rules = self._app.registry.by_type("ACL")
            if rules is None or rules.data_source is None:
                return self._static_entries(model, request.method)
            self._stored = StoredEntries(rules)
        stored = await self._stored.matching(request)
        return stored + self._static_entries(model, request.method)

    def _static_entries(self, model: Any, method: str) -> list[acl.Entry]:
        """Those of the definition and of a property of the method's name; kept until code adds some."""
        acls = model.definition.acls
        known = self._static.get((model.name, method))
        if known is not None and known[0] == len(acls):
            return known[1]
        entries = acl.static_entries(acls, model.name, method)
        prop = model.definition.properties.get(method)
        own = prop.raw.get("acls") if prop is not None else None
        entries += acl.static_entries(
            [{**entry, "property": method} for entry in own or ()], model.name, method
        )
        self._static[model.name, method] = (len(acls), entries)
        return entries

    async def _narrow_to_own(self, model: Any, method: Any, token: Any, remoting: Any) -> bool:
        """Lets a user list what is its own, where an entry for ``$owner`` says ``ownerFilter``."""
        argument = _LISTING.get(method.name)
        request = _request(model, method)
        entries = await self._entries(model, request)
        if argument is None or not any(entry.owner_filter for entry in entries):
            return False
        context = self._context(model, method, token, None, remoting)
        user = context.user
        key = owner_key(model, user) if user is not None else None
        if user is None or key is None:
            return False
        entries = [entry for entry in entries if entry.principal_id != acl.OWNER or entry.owner_filter]
        roles = {role for role in acl.roles_asked(entries) if await self.roles.is_in_role(role, context)}
        if not _decide(model, entries, request, context, roles | {acl.OWNER}).allowed:
            return False
        own = {key: user.id}
        given = remoting.args.get(argument) or {}
        where = given.get("where") if argument == "filter" else given
        narrowed = {"and": [where, own]} if where else own
        remoting.args[argument] = {**given, "where": narrowed} if argument == "filter" else narrowed
        return True

    def _strict(self) -> bool:
        own = self._app.get("strictRelationAccess")
        return bool(self._app.registry.strict if own is None else own)

    async def _authorize_reached(self, model: Any, method: Any, token: Any, remoting: Any) -> None:
        """The strict switch: the models behind relation routes and includes are asked too."""
        for one in reached(model, method.name, remoting.instance, remoting.args):
            shared = one.model.shared_class
            their = shared and (shared.find(one.method) or shared.find("prototype." + one.method))
            if not their:
                continue
            decision = await self.check(one.model, their, token=token, model_id=one.id, remoting=remoting)
            if not decision.allowed:
                raise self._refusal(one.model, one.id, token)

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


def _request(model: Any, method: Any) -> acl.AccessRequest:
    return acl.AccessRequest(model.name, method.name, method.access_type, (*method.aliases, method.name))


def _decide(
    model: Any, entries: list[acl.Entry], request: acl.AccessRequest, context: AccessContext, roles: set[str]
) -> acl.Decision:
    return acl.decide(
        entries,
        request,
        principals={(principal.type, text_of(principal.id)) for principal in context.principals},
        roles=roles,
        default_permission=model.settings.get("defaultPermission"),
    )


def model_id_of(instance: Any, path: dict[str, Any], body: Any, query: dict[str, Any]) -> Any:
    """The id that ``$owner`` is asked about: the loaded instance's, else ``id`` in path, body or query."""
    if instance is not None and member(instance, "id"):
        return member(instance, "id")
    for part in (path, body, query):
        if isinstance(part, dict) and "id" in part:
            return part["id"]
    return None
