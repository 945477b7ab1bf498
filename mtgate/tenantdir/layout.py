"""What makes a folder a tenant, and where things are in it.

Two layouts are read: *flat*, the folder itself holds ``config.json`` and the rest; and a LoopBack 3
*project*, ``server/`` holds them and ``common/`` the shared models. A folder with a ``command`` in its
``tenant.json`` needs neither. Pure: names in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

TENANT_FILE = "tenant.json"

#: The five files that LoopBack overlays by environment, without ``.json``.
FAMILIES = ("config", "datasources", "model-config", "middleware", "component-config")

#: Files by which a folder is recognised as the root of an application.
_MARKS = ("model-config.json", "datasources.json", "config.json")

_TENANT_ID = re.compile(r"[a-z0-9]{1,63}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an application's files are, as paths relative to the tenant's folder ("" is the folder itself).

    ``models`` and ``mixins`` are the folders looked in where model-config.json's ``_meta`` names none, and
    the first of ``models`` is where a new model is written.
    """

    kind: Literal["flat", "project", "empty"]
    server: str
    models: tuple[str, ...]
    mixins: tuple[str, ...]

    def path(self, name: str) -> str:
        """A file of the application's root, relative to the tenant's folder."""
        return f"{self.server}/{name}" if self.server else name


FLAT = Layout("flat", "", ("models",), ("mixins",))
PROJECT = Layout("project", "server", ("common/models", "server/models"), ("common/mixins", "server/mixins"))
EMPTY = Layout("empty", "", FLAT.models, FLAT.mixins)


def detect(names: Collection[str], server_names: Collection[str] = ()) -> Layout:
    """The layout of a folder that holds ``names``; ``server_names`` is what its ``server/`` holds.

    The folder's own files win over those in ``server/``: a flat tenant may have a folder of that name.
    """
    if any(mark in names for mark in _MARKS):
        return FLAT
    if any(mark in server_names for mark in _MARKS):
        return PROJECT
    return EMPTY


def is_tenant_id(text: str) -> bool:
    """Whether the text is a tenant's id: ASCII lower-case letters and digits, 1 to 63."""
    return _TENANT_ID.fullmatch(text) is not None


def tenant_id(text: str) -> str:
    """The id that a user's word means; ValueError says what is wrong with it."""
    lowered = text.lower() if text.isascii() else text
    if not is_tenant_id(lowered):
        raise ValueError(f'"{text}" is not a tenant id: 1 to 63 ASCII letters and digits')
    return lowered
