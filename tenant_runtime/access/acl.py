"""Decides whether a request may be served: LoopBack's access control entries and their scores.

In charge of: the decision, as functions of values. Must not know: models at run time, databases, HTTP; the
roles that the caller is in are asked for by ``access.check`` and come here as a set.

The rules are those of LoopBack 3 (``common/models/acl.js``, reference section 1.11), to the letter: among
the entries that apply to the caller the one with the highest score decides, and only ``DENY`` refuses.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ALL = "*"
DEFAULT, ALLOW, ALARM, AUDIT, DENY = "DEFAULT", "ALLOW", "ALARM", "AUDIT", "DENY"
READ, REPLICATE, WRITE, EXECUTE = "READ", "REPLICATE", "WRITE", "EXECUTE"
USER, APP, ROLE = "USER", "APP", "ROLE"
OWNER, RELATED, EVERYONE = "$owner", "$related", "$everyone"
AUTHENTICATED, UNAUTHENTICATED = "$authenticated", "$unauthenticated"
DEFAULT_SCOPES = ("DEFAULT",)

STRENGTH = {DEFAULT: 0, ALLOW: 1, ALARM: 2, AUDIT: 3, DENY: 4}
_PRINCIPAL_WEIGHT = {USER: 4, APP: 3, ROLE: 2}
_ROLE_WEIGHT = {OWNER: 4, RELATED: 3, AUTHENTICATED: 2, UNAUTHENTICATED: 2, EVERYONE: 1}


@dataclass(frozen=True, slots=True)
class Entry:
    """One access control entry. ``permission`` is None when it was left out (or its key misspelt).

    ``owner_filter`` is ours: an entry for ``$owner`` with it lets owners list what is theirs.
    """

    model: str
    property: str
    access_type: str
    permission: str | None
    principal_type: str | None
    principal_id: str | None
    owner_filter: bool = False


@dataclass(slots=True)
class AccessRequest:
    """What is asked: may this method of ``model`` be used for ``access_type``?

    ``method_names`` are the method's name and its aliases.
    """

    model: str
    method: str = ALL
    access_type: str = ALL
    method_names: tuple[str, ...] = ()

    @property
    def is_wildcard(self) -> bool:
        return ALL in (self.model, self.method, self.access_type)

    def is_exactly(self, entry: Entry) -> bool:
        named = entry.property == self.method or entry.property in self.method_names
        return entry.model == self.model and entry.access_type == self.access_type and named


def static_entries(acls: Iterable[Any], model: str, method: str) -> list[Entry]:
    """The entries of a model definition that may concern the method.

    An array of names counts when it holds the name. Aliases do not count here, as in the original:
    ``"property": "upsert"`` never meets the method ``patchOrCreate``.
    """
    entries = []
    for acl in acls:
        if not isinstance(acl, dict):
            continue
        named = acl.get("property")
        if isinstance(named, list) and method in named:
            named = method
        if not named or named in (ALL, method):
            entries.append(make_entry({**acl, "model": model, "property": named}))
    return entries


def make_entry(acl: dict[str, Any]) -> Entry:
    """An entry from its JSON form or from a row of the ACL model."""
    permission = acl.get("permission")
    principal_type, principal_id = acl.get("principalType"), acl.get("principalId")
    return Entry(
        model=_text(acl.get("model")) or ALL,
        property=_text(acl.get("property")) or ALL,
        access_type=_text(acl.get("accessType")) or ALL,
        permission=None if permission is None else _text(permission),
        principal_type=None if principal_type is None else _text(principal_type),
        principal_id=None if principal_id is None else _text(principal_id),
        owner_filter=acl.get("ownerFilter") is True and principal_id == OWNER,
    )


def _text(value: Any) -> str:
    """A value as the original's string property keeps it (arrays are joined with commas)."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return str(value)


def score(entry: Entry, request: AccessRequest) -> float:
    """How specifically the entry speaks of the request; -1 when it does not at all.

    Not a number when the entry's permission is an unknown word: it then counts as equal to any other, as
    in the original.
    """
    total = 0
    for rule, asked, exact in (
        (entry.model, request.model, False),
        (entry.property, request.method, entry.property in request.method_names),
        (entry.access_type, request.access_type, _covers(entry.access_type, request.access_type)),
    ):
        total *= 4
        if exact or rule == asked:
            total += 3
        elif rule == ALL:
            total += 2
        elif asked == ALL:
            total += 1
        else:
            return -1
    total = total * 4 + _PRINCIPAL_WEIGHT.get(entry.principal_type or "", 1)
    total *= 8
    if entry.principal_type == ROLE:
        total += _ROLE_WEIGHT.get(entry.principal_id or "", 5)
    strength = STRENGTH.get(entry.permission or ALLOW)
    return math.nan if strength is None else total * 4 + strength - 1


def _covers(rule: str, asked: str) -> bool:
    """Whether an access type is counted as an exact match although the words differ."""
    return rule == EXECUTE or (rule == WRITE and asked == REPLICATE)


def _highest_first(one: tuple[float, Entry], other: tuple[float, Entry]) -> int:
    """Compares in pairs, not by key: a score that is not a number equals everything, and the order that comes
    of it is that of the original's engine, whose sort is a port of Python's."""
    difference = other[0] - one[0]
    return (difference > 0) - (difference < 0)


def resolve(entries: Sequence[Entry], request: AccessRequest, default_permission: str | None = None) -> str:
    """The permission that the entries, all of which apply to the caller, give to the request.

    ``default_permission`` is the model's setting; without one nothing said means ALLOW.
    """
    scored = [(score(entry, request), entry) for entry in entries]
    permission: str | None = DEFAULT
    for points, entry in sorted(scored, key=functools.cmp_to_key(_highest_first)):
        if points < 0:
            break
        if not request.is_wildcard or request.is_exactly(entry):
            permission = entry.permission
            break
        if STRENGTH.get(entry.permission or "", -1) > STRENGTH[DEFAULT]:
            permission = entry.permission
            break
    if not permission or permission == DEFAULT:
        return default_permission or ALLOW
    return permission


def is_allowed(permission: str | None, default_permission: str | None = None) -> bool:
    """Only DENY refuses; ALARM, AUDIT and words that mean nothing allow."""
    if permission == DEFAULT:
        permission = default_permission or ALLOW
    return permission != DENY


def shares_scope(token_scopes: Any, method_scopes: Collection[str] | None) -> bool:
    """Whether a token's scopes let it call a method; tokens and methods without scopes have ``DEFAULT``."""
    if token_scopes is None and method_scopes is None:
        return True
    granted = DEFAULT_SCOPES if token_scopes is None else token_scopes
    wanted = DEFAULT_SCOPES if method_scopes is None else method_scopes
    if not isinstance(granted, list | tuple) or not isinstance(wanted, list | tuple):
        return False
    if granted is DEFAULT_SCOPES:
        return DEFAULT in wanted
    return any(scope in granted for scope in wanted)


def dynamic_entries_where(request: AccessRequest) -> dict[str, Any]:
    """The where clause that finds the rows of the ACL model which may concern a request."""
    where: dict[str, Any] = {"model": {"inq": [request.model, ALL]}}
    if request.method != ALL:
        where["property"] = {"inq": [*request.method_names, ALL]}
    if request.access_type == REPLICATE:
        where["accessType"] = {"inq": [REPLICATE, WRITE, ALL]}
    elif request.access_type != ALL:
        where["accessType"] = {"inq": [request.access_type, ALL]}
    return where


def may_concern(entry: Entry, request: AccessRequest) -> bool:
    """Whether ``dynamic_entries_where`` finds that row."""
    if entry.model not in (request.model, ALL):
        return False
    if request.method != ALL and entry.property not in (*request.method_names, ALL):
        return False
    if request.access_type == REPLICATE:
        return entry.access_type in (REPLICATE, WRITE, ALL)
    return request.access_type == ALL or entry.access_type in (request.access_type, ALL)


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome: the permission, and the roles among the entries that allowed the caller in."""

    permission: str
    authorized_roles: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        return self.permission != DENY


ALLOWED = Decision(ALLOW)


def roles_asked(entries: Iterable[Entry]) -> list[str]:
    """The roles whose membership must be known before ``decide``, each once, in the order of the entries."""
    return list(dict.fromkeys(e.principal_id or "" for e in entries if e.principal_type == ROLE))


def decide(
    entries: Sequence[Entry],
    request: AccessRequest,
    *,
    principals: Collection[tuple[str, str]],
    roles: Collection[str],
    default_permission: str | None = None,
) -> Decision:
    """The decision for a caller who is ``principals`` (pairs of type and id as text) and in ``roles``."""
    direct = [e for e in entries if (e.principal_type or "", e.principal_id or "") in principals]
    by_role = [e for e in entries if e.principal_type == ROLE and e not in direct and e.principal_id in roles]
    # In this order: it decides among entries whose scores cannot be compared.
    permission = resolve([*direct, *by_role], request, default_permission)
    if permission == DENY:
        return Decision(permission)
    granted = [e.principal_id or "" for e in by_role if is_allowed(e.permission, default_permission)]
    return Decision(permission, tuple(dict.fromkeys(granted)))
