"""Files of any shape: the app boots, or the complaint names the file; nothing else."""

from __future__ import annotations

import copy
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.boot.start import boot
from tenant_runtime.errors import ConfigurationError
from tests.tenant_runtime.apps import FILES, write_app

RICH: dict[str, Any] = {
    **FILES,
    "models/item.json": {
        "name": "Item",
        "options": {"strict": True},
        "properties": {"name": {"type": "string", "required": True}, "tags": ["string"], "at": "date"},
        "relations": {
            "parts": {"type": "hasMany", "model": "Part", "foreignKey": "", "options": {"nestRemoting": True}}
        },
        "methods": {
            "hi": {
                "accepts": [{"arg": "a", "type": "string"}],
                "returns": {"arg": "b"},
                "http": {"verb": "get"},
            }
        },
        "scopes": {"named": {"where": {"name": "x"}}},
        "acls": [{"principalType": "ROLE", "principalId": "$everyone", "permission": "ALLOW"}],
        "mixins": {"TimeStamp": True},
        "indexes": {"one": {"keys": {"name": 1}}},
        "hidden": ["at"],
    },
    "models/part.json": {
        "name": "Part",
        "base": "PersistedModel",
        "relations": {"item": {"type": "belongsTo", "model": "Item"}},
    },
    "model-config.json": {
        "_meta": {"sources": ["./models"]},
        "Item": {"dataSource": "db"},
        "Part": {"dataSource": "db"},
    },
}
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "${nope}",
    "a.b",
    [],
    {},
    [1],
    [None],
    [{}],
    {"a": 1},
    {"": {}},
]
VALUES += [{"type": "nope"}, {"type": ["string"]}, {"type": "hasMany", "model": "Nope"}, "__proto__", "Item"]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, item in items for path in paths(item, (*at, key)))]


def mutated(chance: random.Random) -> dict[str, Any]:
    """The files with one value replaced or left out."""
    files = copy.deepcopy(RICH)
    name = chance.choice(sorted(files))
    path = chance.choice(paths(files[name]))
    value = copy.deepcopy(chance.choice(VALUES))
    if not path:
        files[name] = value if value is not None else []
        return files
    owner = files[name]
    for key in path[:-1]:
        owner = owner[key]
    if chance.random() < 0.2:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return files


@pytest.mark.parametrize("seed", range(100))
async def test_mutated_files(seed: int) -> None:
    files = mutated(random.Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        try:
            app, _ = await boot(write_app(Path(folder), files))
        except ConfigurationError as complaint:
            assert complaint.file
            return
        assert app.adapter.table
        await app.close()
