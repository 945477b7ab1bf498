"""The models that every app has: their definitions, and where their methods are.

In charge of: finding a built-in model by name. The definitions are the ``*.json`` files beside this one, in
LoopBack's own form; each must be copied before it is changed (``definition`` returns a copy).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _sources() -> dict[str, str]:
    """JSON text by model name."""
    texts = [item.read_text("utf-8") for item in files(__package__).iterdir() if item.name.endswith(".json")]
    return {json.loads(text)["name"]: text for text in texts}


def names() -> list[str]:
    """The built-in models, bases before the models derived from them."""
    first = ["Model", "PersistedModel"]
    return first + sorted(set(_sources()) - set(first))


def is_builtin(name: str) -> bool:
    return name in _sources()


def definition(name: str) -> dict[str, Any]:
    """A fresh copy of the model's JSON. KeyError for a name that is not built in."""
    copy: dict[str, Any] = json.loads(_sources()[name])
    return copy
