"""Who asks for what: the access context of one call, as role resolvers see it.

In charge of: the principals that a token stands for, and what can be said of the caller from them. Must not
know: how roles are looked up, databases, HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tenant_runtime.access.acl import ALL, APP, ROLE, USER

SCOPE = "SCOPE"


@dataclass(frozen=True, slots=True)
class Principal:
    """One identity of the caller: ``type`` is USER, APP, ROLE, SCOPE or the name of a user model."""

    type: str
    id: Any

    def is_same(self, type: str | None, id: Any) -> bool:
        """Ids are compared as text: an ObjectID or a number equals its text."""
        return self.type == type and text_of(self.id) == text_of(id)


def text_of(value: Any) -> str:
    """A value as JavaScript's ``String()`` writes an id (2.0 is "2", true is "true")."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(slots=True)
class AccessContext:
    """One question to the access control, with everything that a role resolver may look at.

    ``model`` is the model class that is called, ``method`` the method's name, ``model_id`` the id in path,
    body or query (None: there is none), ``access_token`` the instance or None, ``remoting`` the remote
    call's context, absent when code asks. ``user_models`` names the models that derive from User.
    """

    model: Any
    model_id: Any = None
    method: str = ALL
    access_type: str = ALL
    access_token: Any = None
    remoting: Any = None
    app: Any = None
    principals: list[Principal] = field(default_factory=list)
    user_models: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        token = self.access_token
        if token is None:
            return
        user_id, app_id = member(token, "userId"), member(token, "appId")
        if user_id is not None:
            self.add_principal(member(token, "principalType") or USER, user_id)
        if app_id is not None:
            self.add_principal(APP, app_id)

    def add_principal(self, type: str, id: Any) -> bool:
        """Adds an identity; False when the context already has it."""
        if any(principal.is_same(type, id) for principal in self.principals):
            return False
        self.principals.append(Principal(type, id))
        return True

    @property
    def user(self) -> Principal | None:
        """The first principal that is a user: USER, or a model derived from User."""
        for principal in self.principals:
            if principal.type in (APP, ROLE, SCOPE):
                continue
            if principal.type == USER or principal.type in self.user_models:
                return principal
        return None

    @property
    def user_id(self) -> Any:
        user = self.user
        return None if user is None else user.id

    @property
    def app_id(self) -> Any:
        return next((principal.id for principal in self.principals if principal.type == APP), None)

    @property
    def is_authenticated(self) -> bool:
        return self.user_id is not None or self.app_id is not None

    # The original's names, for tenant code written against its documentation.
    modelId = property(lambda self: self.model_id)


def member(thing: Any, name: str) -> Any:
    """A property of an instance or of a plain dict; None when it has none."""
    if isinstance(thing, dict):
        return thing.get(name)
    return getattr(thing, name, None)
