"""The keys of a model file: which there are, and what shape they must have.

In charge of: complaints about shapes, warnings about keys that are unknown or without effect. Must not know:
what the keys mean; that is ``build``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from tenant_runtime.errors import ConfigurationError

Json = dict[str, Any]
Warn = Callable[[str, str], None]  # message, JSON pointer

#: Keys that are understood, at the top or in ``options``.
KNOWN_KEYS = frozenset(
    """
    name base super plural http idInjection strict options validateUpsert validateUpdate
    automaticValidation forceId replaceOnPUT persistUndefinedAsNull hidden protected hiddenProperties
    protectedProperties excludeBaseProperties properties relations relationships acls methods scopes
    scope mixins indexes foreignKeys validations description public defaultPermission ownerRelations
    aclErrorStatus strictDelete updateOnLoad applyDefaultsOnReads attributes allowExtendedOperators
    prohibitHiddenPropertiesInQuery maxDepthOfQuery maxDepthOfData normalizeUndefinedInQuery
    strictObjectIDCoercion configureModelMerge additionalProperties mongodb mysql postgresql mssql
    oracle sqlite3 memory dataSource remoting disableDefaultSort ttl maxTTL realmRequired realmDelimiter
    caseSensitiveEmail emailVerificationRequired allowEternalTokens saltWorkFactor resetPasswordTokenTTL
    restrictResetPasswordTokenScope rejectPasswordChangesViaPatchOrReplace verifyOptions
    accessTokenIdLength
    """.split()  # noqa: SIM905 - a table of words
)

#: Keys of the original without effect here; the reason is the warning.
WITHOUT_EFFECT = {
    "trackChanges": "replication is not supported",
    "enableRemoteReplication": "replication is not supported",
    "changeDataSource": "replication is not supported",
    "injectOptionsFromRemoteContext": "LoopBack 3 ignores it: methods receive options anyway",
    "ignoreErrors": "replication is not supported",
}

_SHAPES: dict[str, type] = {
    "properties": dict,
    "options": dict,
    "relations": dict,
    "relationships": dict,
    "acls": list,
    "excludeBaseProperties": list,
    "scope": dict,
    "methods": dict,
    "scopes": dict,
    "mixins": dict,
    "indexes": dict,
    "plural": str,
    "http": dict,
}


def check_shapes(source: Json, file: str) -> None:
    """Refuse what nothing can be made of, at the top and in ``options``."""
    options = source.get("options")
    for bag, place in ((source, ""), (options if isinstance(options, dict) else {}, "/options")):
        for key, expected in _SHAPES.items():
            value = bag.get(key)
            if value is None or isinstance(value, expected):
                continue
            if key == "methods" and value == []:
                continue  # what LoopBack 2's generator wrote
            wanted = "an object" if expected is dict else "an array" if expected is list else "a text"
            raise ConfigurationError(f'"{key}" must be {wanted}', file=file, pointer=f"{place}/{key}")
        check_acls(bag.get("acls") or [], file, f"{place}/acls")


def check_acls(acls: list[Any], file: str, pointer: str) -> None:
    for position, acl in enumerate(acls):
        if not isinstance(acl, dict):
            raise ConfigurationError(
                "an ACL entry must be an object", file=file, pointer=f"{pointer}/{position}"
            )


def warn_keys(source: Json, warn: Warn) -> None:
    for pointer, bag in (("", source), ("/options", source.get("options") or {})):
        for key in bag:
            if key in WITHOUT_EFFECT and bag[key]:
                warn(f'"{key}" has no effect: {WITHOUT_EFFECT[key]}', f"{pointer}/{key}")
            elif key not in KNOWN_KEYS and (suggestion := suggest(key, KNOWN_KEYS)):
                warn(f'unknown key "{key}"{suggestion}', f"{pointer}/{key}")
    if source.get("validations"):
        warn("ignored, as in LoopBack 3, unless config.json has enforceValidations", "/validations")


def suggest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.8)
    return f'; did you mean "{close[0]}"?' if close else ""
