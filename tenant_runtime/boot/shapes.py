"""The shapes that an app's JSON files must have to be read at all.

In charge of: refusing a value of the wrong kind with its JSON pointer, before anything trips over it. More
keys than these are allowed (models warn of unknown ones themselves). Must not know: what the values mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mtgate.tenantdir.complaint import findings, pointer, suggestion
from tenant_runtime.errors import ConfigurationError

Json = dict[str, Any]


def _object_of_nothing(value: Any) -> Any:
    """LoopBack 2 wrote ``"methods": []`` where there were none."""
    return {} if value == [] else value


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


Object = Annotated[Json, BeforeValidator(_object_of_nothing)]
Objects = list[Json]
Names = list[str] | str


class Method(Shape):
    accepts: Json | Objects | None = None
    returns: Json | Objects | None = None
    http: Json | Objects | None = None
    aliases: Names | None = None
    accessScopes: list[str] | None = None


class Relation(Shape):
    type: str | None = None
    model: str | None = None
    foreignKey: str | None = None
    keyThrough: str | None = None
    primaryKey: str | None = None
    through: str | None = None
    property: str | None = None
    options: Object | None = None
    scope: Object | None = None


Methods = Annotated[dict[str, Method], BeforeValidator(_object_of_nothing)]
Relations = Annotated[dict[str, Relation], BeforeValidator(_object_of_nothing)]
Scopes = Annotated[dict[str, Json | None], BeforeValidator(_object_of_nothing)]


class Settings(Shape):
    """What may stand in a model file at the top or in ``options``."""

    base: str | None = None
    plural: str | None = None
    http: Object | None = None
    relations: Relations | None = None
    acls: Objects | None = None
    methods: Methods | None = None
    scopes: Scopes | None = None
    scope: Object | None = None
    mixins: Object | None = None
    indexes: Object | None = None
    hidden: Names | None = None
    protected: Names | None = None
    hiddenProperties: Names | None = None
    protectedProperties: Names | None = None
    excludeBaseProperties: Names | None = None
    mongodb: Json | None = None
    mysql: Json | None = None
    postgresql: Json | None = None
    sqlite3: Json | None = None
    remoting: Json | None = None


class ModelFileShape(Settings):
    name: str
    properties: Object | None = None
    options: Settings | None = None


class ModelEntry(Shape):
    """One entry of model-config.json."""

    dataSource: str | Literal[False] | None = None
    public: bool | None = None
    options: Settings | None = None
    relations: Relations | None = None
    acls: Objects | None = None
    methods: Methods | None = None


class Meta(Shape):
    sources: list[str] | None = None
    mixins: list[str] | None = None


class Rest(Shape):
    supportedTypes: list[str] | None = None
    arrayItemDelimiters: Names | None = None


class BodyLimits(Shape):
    limit: str | int | None = None


class Remoting(Shape):
    rest: Rest | None = None
    # JavaScript's `options.json || default`: false is the default.
    json_: BodyLimits | Literal[False] | None = Field(default=None, alias="json")
    urlencoded: BodyLimits | Literal[False] | None = None
    errorHandler: Json | None = None
    sharedMethods: Json | None = None


class Config(Shape):
    restApiRoot: str | None = None
    remoting: Remoting | None = None


class Entry(Shape):
    """One middleware's configuration."""

    name: str | None = None
    enabled: bool | None = None
    optional: bool | None = None
    paths: Names | None = None
    methods: list[str] | None = None
    verbs: list[str] | None = None


def check(shape: type[BaseModel], value: Any, file: str, at: tuple[str | int, ...] = ()) -> None:
    """Raises ConfigurationError for the first value of ``value`` that has another shape."""
    try:
        shape.model_validate(value)
    except ValidationError as error:
        path, message = findings(error, shape)[0]
        raise ConfigurationError(message, file=file, pointer=pointer((*at, *plain(path, value)))) from None


def plain(path: tuple[str | int, ...], value: Any) -> list[str | int]:
    """The path as it is in the document: pydantic adds the names of a union's members."""
    found: list[str | int] = []
    for part in path:
        known = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        if part in known:
            value = value[part]
            found.append(part)
    return found


def warn_unknown(
    keys: Any, shape: type[BaseModel], warn: Callable[[str, str], None], at: tuple[str, ...]
) -> None:
    """Tell of each key that the shape lacks; private ones (``$…``, ``_…``, ``//``) are passed over."""
    for key in keys:
        if key not in shape.model_fields and not str(key).startswith(("$", "_", "//")):
            warn(f'unknown key "{key}".{suggestion(str(key), shape.model_fields)}', pointer((*at, key)))
