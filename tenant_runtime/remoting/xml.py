"""Values as XML, in the shapes that LoopBack sends (npm package ``js2xmlparser``).

In charge of: elements from dicts, repeated elements from lists, escaping. Must not know: models, requests.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tenant_runtime.model.javascript import iso_text, to_text

INVALID_START = re.compile(r"[^A-Za-z_:\u00C0-\uFFFD]")
INVALID_CHARACTER = re.compile(r"[^A-Za-z0-9_:.\-\u00B7-\uFFFD]")


def to_xml(root: str, value: Any, *, declaration: str, indent: str) -> str:
    """A whole document. ``declaration`` is its first line, ``indent`` one level of it."""
    lines = [declaration, *element(root, value, indent, 0)]
    return "\n".join(lines)


def result_xml(value: Any, wrapper: str = "response", *, declaration: bool = True) -> str:
    """A method's result: lists are items named ``result``."""
    if isinstance(value, list):
        value = {"result": value}
    first = '<?xml version="1.0" encoding="UTF-8"?>'
    text = to_xml(wrapper, value, declaration=first, indent="  ")
    return text if declaration else text.split("\n", 1)[1]


def error_xml(value: Any, root: str) -> str:
    return to_xml(root, value, declaration="<?xml version='1.0'?>", indent="    ")


def element(name: str, value: Any, indent: str, level: int) -> list[str]:
    pad, tag = indent * level, element_name(name)
    if isinstance(value, dict):
        children: list[str] = []
        for key, item in value.items():
            for one in item if isinstance(item, list) else [item]:
                children += element(str(key), one, indent, level + 1)
        if not children:
            return [f"{pad}<{tag}/>"]
        return [f"{pad}<{tag}>", *children, f"{pad}</{tag}>"]
    if isinstance(value, list):
        return [line for one in value for line in element(name, one, indent, level)]
    text = to_text(iso_text(value) if isinstance(value, datetime) else value)
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return [f"{pad}<{tag}/>"] if text == "" else [f"{pad}<{tag}>{text}</{tag}>"]


def element_name(name: str) -> str:
    """A legal name: what XML does not allow becomes an underscore."""
    name = INVALID_CHARACTER.sub("_", name)
    return "_" + name[1:] if name and INVALID_START.match(name[0]) else name or "_"
