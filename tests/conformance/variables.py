"""Values taken from one answer and used in later requests and expectations: ``${name}``, ``${b64(text)}``."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable
from typing import Any

NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
BASE64 = re.compile(r"\$\{b64\((.*?)\)\}")


class Variables(dict[str, Any]):
    def fill(self, value: Any) -> Any:
        """The value with all names filled in; a text that is only ``${name}`` keeps the captured type."""
        match value:
            case dict():
                return {key: self.fill(item) for key, item in value.items()}
            case list():
                return [self.fill(item) for item in value]
            case str():
                whole = NAME.fullmatch(value)
                if whole and whole[1] in self:
                    return copy.deepcopy(self[whole[1]])
                encoded = BASE64.sub(lambda found: b64(self.fill_text(found[1])), value)
                return self.fill_text(encoded)
            case _:
                return value

    def fill_text(self, text: str, quote: Callable[[str], str] = str) -> str:
        return NAME.sub(lambda name: quote(as_text(self[name[1]])) if name[1] in self else name[0], text)

    def copy(self) -> Variables:
        return Variables(self)

    def restore(self, earlier: Variables) -> None:
        self.clear()
        self.update(earlier)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
