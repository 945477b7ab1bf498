"""``model``: add a model to a tenant, asking as LoopBack's generator does where there is somebody to ask."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from mtctl import exits
from mtctl.client import tenant
from mtctl.session import Session, Usage

#: LoopBack's property types, as its generator lists them.
TYPES = ("string", "number", "boolean", "object", "array", "date", "buffer", "geopoint", "any")


def model(session: Session, options: Namespace) -> int:
    """Write the model's files and its entry in model-config.json."""
    tenant_id, separator, name = options.model.partition(":")
    if not separator or not tenant_id or not name:
        raise Usage(f'"{options.model}" is not ID:Name, as in foo:Customer')
    body: dict[str, Any] = {
        "name": name,
        "base": options.base,
        "plural": options.plural,
        "data_source": options.datasource,
        "public": not options.private,
        "properties": [parse_property(text) for text in options.property],
    }
    if session.interactive and not options.property:
        body.update(_asked(session, body))
    answer = session.control.act("POST", tenant(tenant_id, "models"), body)
    lines = [f"created {path}" for path in answer["created"]]
    lines += [f"changed {path}" for path in answer["changed"]]
    session.show(answer, "\n".join([*lines, f"{tenant_id.lower()}: {answer['message']}"]))
    return exits.DONE


def parse_property(text: str) -> dict[str, Any]:
    """``name``, ``name:type`` or ``name:type:required``; a type in brackets is an array of it."""
    name, *rest = text.split(":")
    if not name or len(rest) > 2 or (len(rest) == 2 and rest[1] != "required"):
        raise Usage(f'"{text}" is not name:type[:required], as in age:number or tags:[string]:required')
    return {
        "name": name,
        "type": _type(rest[0] if rest and rest[0] else "string"),
        "required": len(rest) == 2,
    }


def _type(text: str) -> Any:
    return [text[1:-1].strip() or "any"] if text.startswith("[") and text.endswith("]") else text


def _asked(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """Answers to the generator's questions, with what the options said as defaults."""
    print(f"Adding the model {body['name']}; an empty answer takes what stands in brackets.")
    answers: dict[str, Any] = {
        "data_source": session.ask("Data source", body["data_source"] or "db"),
        "base": session.ask("Base class", body["base"]),
        "public": session.ask("Expose via the REST API? (y/n)", "y").lower().startswith("y"),
        "plural": session.ask("Custom plural form (used in the URL)", body["plural"] or "") or None,
        "properties": [],
    }
    print("Properties; an empty name ends.")
    while name := session.ask("  Property name"):
        kind = session.ask(f"  Property type ({', '.join(TYPES)}, [type] or a model)", "string")
        required = session.confirm("  Required?")
        default = session.ask("  Default value (empty for none)")
        entry = {"name": name, "type": _type(kind), "required": required}
        answers["properties"].append({**entry, "default": _value(default, kind)} if default else entry)
    return answers


def _value(text: str, kind: str) -> Any:
    """A default value as JSON where the type is not text."""
    if kind == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
