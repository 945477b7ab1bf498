"""The models that every app has: their definitions, and where their methods are.

In charge of: finding a built-in model by name. The definitions are the ``*.json`` files beside this one, in
LoopBack's own form; each must be copied before it is changed (``definition`` and ``built`` return copies).
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Container
from functools import cache
from importlib.resources import files
from typing import Any

from tenant_runtime.model.build import build, root_definitions
from tenant_runtime.model.definition import ModelDefinition


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


def built(name: str, replaced: Container[str] = ()) -> ModelDefinition | None:
    """A fresh model definition; None where it would extend a model that the app has ``replaced``.

    Built once in a process, so that a fork of the zygote only copies it: pickled, the copy is made in C.
    """
    if any(base in replaced for base in _bases(name)):
        return None
    copy: ModelDefinition = pickle.loads(_pickled(name))
    return copy


@cache
def _bases(name: str) -> tuple[str, ...]:
    """From the model's own base to the one below the root."""
    base = str(definition(name)["base"])
    return (base,) if base in root_definitions() else (base, *_bases(base))


@cache
def _pickled(name: str) -> bytes:
    base = _bases(name)[0]
    return pickle.dumps(build(definition(name), root_definitions().get(base) or built(base)))
