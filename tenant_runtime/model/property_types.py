"""The ``type`` of a property in a model file → PropertyType.

In charge of: LoopBack's type words and shapes (juggler ``ModelBuilder.resolveType``): "string", ["string"],
{"type": …}, an inline object (an anonymous nested model). Must not know: which models exist; a word that
is no type names a model, and the registry finds out whether it does.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import ConfigurationError
from tenant_runtime.model.definition import PropertyType, TypeKind

#: LoopBack's words, in lower case (they are case-insensitive there).
WORDS: dict[str, TypeKind] = {
    "string": "string",
    "text": "text",
    "number": "number",
    "boolean": "boolean",
    "date": "date",
    "datestring": "datestring",
    "object": "object",
    "json": "json",
    "any": "any",
    "null": "null",
    "array": "array",
    "buffer": "buffer",
    "binary": "buffer",
    "geopoint": "geopoint",
    "objectid": "objectid",
}

#: Words that LoopBack does not know but that model files hold; taken for what they mean, with a warning.
MEANT: dict[str, TypeKind] = {
    "integer": "number",
    "int": "number",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "datetime": "date",
    "timestamp": "date",
    "str": "string",
    "uuid": "string",
}


class TypeReader:
    """Reads the types of one model's properties, collecting its inline object types and warnings."""

    def __init__(self, model: str, file: str) -> None:
        self.model = model
        self.file = file
        self.anonymous: dict[str, dict[str, Any]] = {}  # name → its properties as written
        self.warnings: list[tuple[str, str]] = []  # message, pointer

    def read(self, raw: Any, name: str, pointer: str) -> PropertyType:
        """The type of a whole property definition, or of an array's item."""
        if isinstance(raw, dict) and raw.get("type"):
            return self._of(raw["type"], name, pointer + "/type")
        return self._of(raw, name, pointer)

    def _of(self, raw: Any, name: str, pointer: str) -> PropertyType:
        if isinstance(raw, str) and raw:
            return self._word(raw, pointer)
        if isinstance(raw, list):
            item = self.read(raw[0], name, pointer + "/0") if raw else None
            return PropertyType("array", item=item)
        if isinstance(raw, dict):
            anonymous = f"{self.model}.{name}"
            self.anonymous[anonymous] = raw
            return PropertyType("model", model=anonymous)
        raise ConfigurationError(
            f"Invalid type for property {name} of {self.model}: "
            "expected a type's name, an array or an object",
            file=self.file,
            pointer=pointer,
        )

    def _word(self, word: str, pointer: str) -> PropertyType:
        lowered = word.lower()
        kind = WORDS.get(lowered)
        if kind is None and lowered in MEANT:
            kind = MEANT[lowered]
            self.warnings.append((f'type "{word}" is not one of LoopBack; taken as "{kind}"', pointer))
        if kind is None:
            return PropertyType("model", model=word)
        return PropertyType(kind)
