"""The options of the remote call that runs, for code that passes none.

In charge of: LoopBack's ``options`` argument reaching every operation and hook of a call without being handed
on. Options that are passed count as they are. Tasks started by the call inherit them.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

call_options: ContextVar[dict[str, Any] | None] = ContextVar("call_options", default=None)

#: Limits on what a client may ask; they are not for queries of the tenant's own code.
CLIENT_LIMITS = frozenset({"prohibitHiddenPropertiesInQuery", "maxDepthOfQuery", "maxDepthOfData"})


def current_options(given: dict[str, Any] | None) -> dict[str, Any]:
    """The options of an operation: those given, else a copy of the running call's, else none."""
    if given is not None:
        return given
    options = call_options.get()
    if options is None:
        return {}
    return {name: value for name, value in options.items() if name not in CLIENT_LIMITS}
