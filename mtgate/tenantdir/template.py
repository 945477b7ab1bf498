"""The files of a new application: what LoopBack's generator writes, with Python beside the JSON.

Pure: names to texts.
"""

from __future__ import annotations

import json
from typing import Any

_MODELS = {
    "_meta": {
        "sources": ["loopback/common/models", "loopback/server/models", "../common/models", "./models"],
        "mixins": ["loopback/common/mixins", "loopback/server/mixins", "../common/mixins", "./mixins"],
    },
    "User": {"dataSource": "db"},
    "AccessToken": {"dataSource": "db", "public": False},
    "ACL": {"dataSource": "db", "public": False},
    "RoleMapping": {"dataSource": "db", "public": False, "options": {"strictObjectIDCoercion": True}},
    "Role": {"dataSource": "db", "public": False},
}

_CONFIG = {
    "restApiRoot": "/api",
    "host": "0.0.0.0",
    "port": 3000,
    "remoting": {
        "context": False,
        "rest": {"handleErrors": False, "normalizeHttpPath": False, "xml": False},
        "json": {"strict": False, "limit": "100kb"},
        "urlencoded": {"extended": True, "limit": "100kb"},
        "cors": False,
    },
}

_MIDDLEWARE: dict[str, Any] = {
    "initial:before": {"loopback#favicon": {}},
    "initial": {
        "compression": {},
        "cors": {"params": {"origin": True, "credentials": True, "maxAge": 86400}},
        "helmet#xssFilter": {},
        "helmet#frameguard": {"params": ["deny"]},
        "helmet#hsts": {"params": {"maxAge": 0, "includeSubdomains": True}},
        "helmet#hidePoweredBy": {},
        "helmet#ieNoOpen": {},
        "helmet#noSniff": {},
        "helmet#noCache": {"enabled": False},
    },
    "session": {},
    "auth": {},
    "parse": {},
    "routes": {"loopback#rest": {"paths": ["${restApiRoot}"]}},
    "files": {},
    "final": {"loopback#urlNotFound": {}},
    "final:after": {"strong-error-handler": {}},
}

_AUTHENTICATION = '''"""Turn on access control: users, access tokens, roles and ACLs."""


def boot(app):
    app.enable_auth()
'''

_ROOT = '''"""Answer GET / with the state of the server."""


def boot(app):
    app.router.get("/", app.status)
'''


def application() -> dict[str, str]:
    """Relative path → text of every file of a new application in the flat layout."""
    return {
        "config.json": _text(_CONFIG),
        "datasources.json": _text({"db": {"name": "db", "connector": "memory"}}),
        "model-config.json": _text(_MODELS),
        "middleware.json": _text(_MIDDLEWARE),
        "component-config.json": _text({"loopback-component-explorer": {"mountPath": "/explorer"}}),
        "boot/authentication.py": _AUTHENTICATION,
        "boot/root.py": _ROOT,
    }


#: Folders of a new application that start out empty.
FOLDERS = ("models", "mixins")


def model(name: str, base: str, plural: str | None, properties: dict[str, Any]) -> str:
    """The text of a new model's JSON file."""
    document: dict[str, Any] = {
        "name": name,
        "base": base,
        **({"plural": plural} if plural else {}),
        "idInjection": True,
        "options": {"validateUpsert": True},
        "properties": properties,
        "validations": [],
        "relations": {},
        "acls": [],
        "methods": {},
    }
    return _text(document)


def model_code(name: str, json_file: str) -> str:
    """The text of the Python file beside a new model's JSON."""
    return f'''"""What {name} does beyond {json_file}: hooks, remote methods, validators."""


def setup({name}):
    """Called once while the application boots, with the model's class."""
'''


def file_name(model_name: str) -> str:
    """File name without extension, as LoopBack's generator makes it: CoffeeShop → coffee-shop."""
    words: list[str] = []
    for index, character in enumerate(model_name):
        starts_word = character.isupper() and index > 0 and not model_name[index - 1].isupper()
        words.append(("-" if starts_word else "") + character.lower())
    return "".join(words).replace("_", "-").replace("--", "-")


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
