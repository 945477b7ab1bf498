"""What of LoopBack 2's configuration LoopBack 3 no longer takes.

In charge of: the changes to the five configuration files. Pure: a parsed document in, changed in place.
Names that both generations understand, and everything inside model files, are the runtime's to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Keys of config.json's ``remoting`` that LoopBack 3 refuses to boot with, and what does their work now.
_REFUSED_REMOTING = {
    "cors": 'middleware "cors" answers cross-origin requests',
    "context": "the request's context is always there",
}

#: Middleware of LoopBack 2 and its name now.
_RENAMED_MIDDLEWARE = {
    "errorhandler": "strong-error-handler",
    "loopback#errorHandler": "strong-error-handler",
}


def translate_config(family: str, document: Any) -> Iterator[str]:
    """Change a configuration file's document in place; says each change."""
    if not isinstance(document, dict):
        return
    if family == "config":
        yield from _config(document)
    elif family == "middleware":
        yield from _middleware(document)


def _config(document: dict[str, Any]) -> Iterator[str]:
    remoting = document.get("remoting")
    if not isinstance(remoting, dict):
        return
    for key, instead in _REFUSED_REMOTING.items():
        if remoting.get(key):
            del remoting[key]
            yield f"remoting.{key} removed: {instead}"


def _middleware(document: dict[str, Any]) -> Iterator[str]:
    for phase, entries in document.items():
        if not isinstance(entries, dict):
            continue
        for old, new in _RENAMED_MIDDLEWARE.items():
            if old in entries and new not in entries:
                document[phase] = entries = {
                    new if key == old else key: value for key, value in entries.items()
                }
                yield f"{phase}: {old} is {new} now"
