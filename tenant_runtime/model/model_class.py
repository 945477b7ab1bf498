"""A model at run time: what ``app.models.Customer`` is.

In charge of: the surface that tenant code and the REST layer use. Its operations are ``dao``'s, one line
each; what is worked out from the definition is ``prepared``'s. Must not know: connectors' kinds, HTTP.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import inflection

from tenant_runtime.dao import creating, deleting, reading, updating, upserting
from tenant_runtime.errors import LoopbackError
from tenant_runtime.model import construct
from tenant_runtime.model.call_options import current_options
from tenant_runtime.model.definition import ModelDefinition, Property
from tenant_runtime.model.hooks import Hooks, Observer
from tenant_runtime.model.instance import Instance
from tenant_runtime.model.prepared import Prepared
from tenant_runtime.model.validatable import Validatable

if TYPE_CHECKING:
    from tenant_runtime.connectors.datasource import DataSource, TransactionHandle
    from tenant_runtime.model.registry import Registry
    from tenant_runtime.model.relations.base import Relation
    from tenant_runtime.model.scope import NamedScope

Options = dict[str, Any] | None
Filter = dict[str, Any] | None
Listener = Callable[..., Any]
Setter = Callable[["ModelClass", Any], Any]  # gives the value, UNDEFINED to leave the property as it is


@functools.lru_cache(maxsize=1024)
def snake_case(name: str) -> str:
    """``findById`` is find_by_id; remembered, since every app defines the built-in methods."""
    return inflection.underscore(name)


class ModelClass(Prepared, Validatable):
    """See the module. ``Model(data)`` is a new, unsaved instance."""

    def __init__(self, definition: ModelDefinition, base: ModelClass | None, registry: Registry) -> None:
        self.name = definition.name
        self.definition = definition
        self.base = base
        self.registry = registry
        self.app: Any = registry.app
        self.data_source: DataSource | None = None
        self.settings = definition.settings
        self.relations: dict[str, Relation] = {}
        self.scopes: dict[str, NamedScope] = {}
        self.hooks: Hooks = Hooks(base.hooks if base else None)
        super().__init__()
        self.prototype: dict[str, Callable[..., Any]] = {}  # instance methods of tenant code
        self.statics: dict[str, Callable[..., Any]] = {}  # static methods of tenant code
        self.class_methods: dict[str, Callable[..., Any]] = {}  # of ``define``: given the model called
        self.setters: dict[str, Setter] = dict(base.setters) if base else {}
        self.deletion_marks: Callable[[], dict[str, Any]] | None = None  # SoftDelete: written, not deleted
        self.shared_class: Any = None  # set by remoting
        self.remote_hooks: list[
            tuple[str, str, Callable[..., Any]]
        ] = []  # (before|after|after error, name, fn)
        self.remote_methods: list[tuple[str, dict[str, Any], Callable[..., Any] | None]] = []
        self.disabled_methods: set[str] = set()
        self.on_attached: list[Callable[[ModelClass], Any]] = []
        self._listeners: dict[str, list[Listener]] = {}
        self.prepare()
        self._default_validators()

    def _default_validators(self) -> None:
        """Absence of a forced id, presence, dates; in the order of ModelBuilder.define."""
        if self.definition.force_id and self.definition.id_name:
            self.validators.add("absence", self.definition.id_name, {"if": "isNewRecord"})
        for prop in self.definition.properties.values():
            self.validate_property(prop)

    def validate_property(self, prop: Property) -> None:
        """The validators that a property's own definition asks for."""
        if prop.required:
            given = prop.raw.get("required")
            self.validators.add("presence", prop.name, given if isinstance(given, dict) else {})
        if prop.type.kind == "date":
            self.validators.add("date", prop.name)

    def define_property(self, prop: Property) -> None:
        """Add a property after the definition was made (foreign keys, mixins)."""
        self.definition.properties[prop.name] = prop
        self.prepare()
        self.validate_property(prop)
        if self.data_source is not None:
            self.data_source.define(self.definition)

    def extends(self, name: str) -> bool:
        """Whether it is that model or descends from it."""
        model: ModelClass | None = self
        while model is not None:
            if model.name == name:
                return True
            model = model.base
        return False

    def get_setting(self, key: str, options: Options = None) -> Any:
        """The call's option, the model's setting, the data source's setting: the first that is there."""
        if options and options.get(key) is not None:
            return options[key]
        if self.settings.get(key) is not None:
            return self.settings[key]
        return self.data_source.settings.get(key) if self.data_source else None

    def source(self) -> DataSource:
        """The data source, or LoopBack's complaint that the model has none."""
        if self.data_source is None:
            raise LoopbackError(
                f"Cannot call {self.name} operations: the model has not been attached to a DataSource!"
            )
        return self.data_source

    def __call__(self, data: Any = None) -> Instance:
        return construct.construct(self, data if data is not None else {})

    def construct(
        self,
        data: Any,
        *,
        setters: bool = True,
        defaults: bool = True,
        persisted: bool = False,
        fields: Iterable[str] | None = None,
    ) -> Instance:
        """``new Model(data, options)``: see ``model.construct``."""
        return construct.construct(
            self, data, setters=setters, defaults=defaults, persisted=persisted, fields=fields
        )

    def load(self, row: dict[str, Any], fields: tuple[str, ...] | None = None) -> Instance:
        """An instance of a row of the store."""
        return construct.load(self, [row], fields)[0]

    def load_all(self, rows: list[dict[str, Any]], fields: tuple[str, ...] | None = None) -> list[Instance]:
        """Instances of rows of the store."""
        return construct.load(self, rows, fields)

    def refill(self, instance: Instance, data: dict[str, Any]) -> None:
        """Give an instance what the store answered: no conversion by setters, no defaults."""
        made = construct.construct(self, data, setters=False, defaults=False, persisted=instance._persisted)
        instance._data, instance._related, instance._unknown = made._data, made._related, made._unknown
        instance._persisted = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = self.find_static_method(name)
        if method is not None:
            return method
        if name in self.scopes:
            return self.scopes[name]
        raise AttributeError(f"{self.name} has no method or scope {name!r}")

    def find_static_method(self, name: str) -> Callable[..., Any] | None:
        """A static method of tenant code, or of ``define``, its own or a base model's."""
        model: ModelClass | None = self
        while model is not None:
            if name in model.class_methods:
                return functools.partial(model.class_methods[name], self)
            if name in model.statics:
                return functools.partial(model.statics[name])
            model = model.base
        return None

    def find_prototype_method(self, name: str) -> Callable[..., Any] | None:
        """An instance method of tenant code, its own or a base model's."""
        model: ModelClass | None = self
        while model is not None:
            if name in model.prototype:
                return model.prototype[name]
            model = model.base
        return None

    def __repr__(self) -> str:
        return f"[Model {self.name}]"

    # Operations

    async def create(self, data: Any = None, options: Options = None) -> Any:
        """One object, or a list of them; of a list all are tried, failures raise afterwards."""
        if isinstance(data, list):
            return await creating.create_many(self, data, current_options(options))
        return await creating.create(self, data if data is not None else {}, current_options(options))

    async def find(self, filter: Filter = None, options: Options = None) -> list[Instance]:
        """The instances that match, related ones included where the filter says so."""
        return await reading.find(self, filter or {}, current_options(options))

    async def find_one(self, filter: Filter = None, options: Options = None) -> Instance | None:
        """The first instance that matches, or None."""
        return await reading.find_one(self, filter or {}, current_options(options))

    async def find_by_id(self, id: Any, filter: Filter = None, options: Options = None) -> Instance | None:
        """The instance of that id, or None; of the filter only ``include`` and ``fields`` count."""
        return await reading.find_by_id(self, id, filter or {}, current_options(options))

    async def find_by_ids(
        self, ids: list[Any], filter: Filter = None, options: Options = None
    ) -> list[Instance]:
        """Instances in the order of the ids, unless the filter has an order."""
        return await reading.find_by_ids(self, ids, filter or {}, current_options(options))

    async def exists(self, id: Any, options: Options = None) -> bool:
        """Whether there is an object of that id."""
        return await reading.exists(self, id, current_options(options))

    async def count(self, where: Filter = None, options: Options = None) -> int:
        """How many objects match."""
        return await reading.count(self, where or {}, current_options(options))

    async def patch_or_create(self, data: Any = None, options: Options = None) -> Instance:
        """Change the object of the data's id, or create it; other properties stay."""
        return await upserting.patch_or_create(
            self, data if data is not None else {}, current_options(options)
        )

    async def replace_or_create(self, data: Any = None, options: Options = None) -> Instance:
        """Make the object of the data's id consist of the data, or create it."""
        return await upserting.replace_or_create(
            self, data if data is not None else {}, current_options(options)
        )

    async def upsert_with_where(
        self, where: dict[str, Any], data: dict[str, Any], options: Options = None
    ) -> Instance:
        """Change the one object that matches, or create one; several are an error."""
        return await upserting.upsert_with_where(self, where, data, current_options(options))

    async def find_or_create(
        self, filter: Filter, data: dict[str, Any] | None = None, options: Options = None
    ) -> tuple[Instance, bool]:
        """With one argument that is the data, and what is looked for."""
        if data is None:
            data, filter = filter or {}, {"where": dict(filter or {})}
        return await upserting.find_or_create(self, filter or {}, data, current_options(options))

    async def update_all(
        self, where: Filter, data: dict[str, Any] | None = None, options: Options = None
    ) -> dict[str, int]:
        """With one argument that is the data, for every object."""
        if data is None:
            where, data = {}, where or {}
        return await updating.update_all(self, where, data, current_options(options))

    async def replace_by_id(self, id: Any, data: dict[str, Any], options: Options = None) -> Instance:
        """Make the object of that id consist of the data; 404 when there is none."""
        return await updating.replace_by_id(self, id, data, current_options(options))

    async def destroy_all(self, where: Filter = None, options: Options = None) -> dict[str, int]:
        """Delete what matches, ``{}`` is everything; gives ``{"count": n}``."""
        return await deleting.destroy_all(self, where or {}, current_options(options))

    async def delete_by_id(self, id: Any, options: Options = None) -> dict[str, int]:
        """Delete the object of that id; gives ``{"count": 0 or 1}``."""
        return await deleting.delete_by_id(self, id, current_options(options))

    async def begin_transaction(self, options: Any = None) -> TransactionHandle:
        """A transaction for ``options["transaction"]``. ``options``: the isolation level, or
        ``{"isolationLevel", "timeout"}``; after ``timeout`` milliseconds it is rolled back.
        """
        if not isinstance(options, dict):
            return await self.source().begin(options)
        timeout = options.get("timeout")
        return await self.source().begin(
            options.get("isolationLevel"), float(timeout) / 1000 if timeout else None
        )

    # Hooks, events, validation, remoting

    def observe(self, operation: str, observer: Observer | None = None, *, blocking: bool = False) -> Any:
        """``Model.observe("before save", fn)`` or ``@Model.observe("before save")``."""
        if observer is None:
            return lambda function: self.observe(operation, function, blocking=blocking)
        self.hooks.observe(operation, observer, blocking=blocking)
        return observer

    def on(self, event: str, listener: Listener | None = None) -> Any:
        """Listen to an event, one of the model's own or one that code emits."""
        if listener is None:
            return lambda function: self.on(event, function)
        self._listeners.setdefault(event, []).append(listener)
        return listener

    async def emit(self, event: str, *arguments: Any) -> bool:
        """Call the event's listeners one after another; whether there were any. Bases' listeners come
        first.
        """
        heard = await self.base.emit(event, *arguments) if self.base else False
        for listener in tuple(self._listeners.get(event, ())):
            heard = True
            result = listener(*arguments)
            if inspect.isawaitable(result):
                await result
        return heard

    def _remote_hook(self, when: str, name: str, function: Callable[..., Any] | None) -> Any:
        if function is None:
            return lambda given: self._remote_hook(when, name, given)
        self.remote_hooks.append((when, name, function))
        return function

    def before_remote(self, name: str, function: Callable[..., Any] | None = None) -> Any:
        """A hook before a remote method; ``prototype.x`` and ``*`` are patterns."""
        return self._remote_hook("before", name, function)

    def after_remote(self, name: str, function: Callable[..., Any] | None = None) -> Any:
        """A hook after a remote method; it may change ``ctx.result``."""
        return self._remote_hook("after", name, function)

    def after_remote_error(self, name: str, function: Callable[..., Any] | None = None) -> Any:
        """A hook for errors of a remote method, in ``ctx.error``."""
        return self._remote_hook("after error", name, function)

    def remote_method(self, name: str, spec: dict[str, Any] | None = None, **keywords: Any) -> Any:
        """Declare a method; ``spec`` has LoopBack's keys. As a decorator: ``@Model.remote_method("greet",
        …)``.
        """
        described = {**(spec or {}), **keywords}
        function = described.pop("function", None)

        def declare(given: Callable[..., Any] | None) -> Any:
            bare = name.removeprefix("prototype.")
            instance_method = bare != name or described.get("isStatic") is False or described.get("prototype")
            if given is not None:
                (self.prototype if instance_method else self.statics)[bare] = given
            self.remote_methods.append((name, described, given))
            return given

        if function is not None or spec is not None:
            return declare(function)
        return declare

    def define(self, name: str, function: Callable[..., Any]) -> None:
        """A method in code, under its name and its snake_case form.

        ``define("login", fn)`` is static, ``fn(Model, …)`` with the model that is called; ``define(
        "prototype.verify", fn)`` is an instance's, ``fn(instance, …)``. Derived models inherit it.
        """
        bare = name.removeprefix("prototype.")
        table = self.class_methods if bare == name else self.prototype
        table[bare] = table[snake_case(bare)] = function

    def disable_remote_method(self, name: str, static: bool = True) -> None:
        """``static`` False is LoopBack 2's second argument: the name is one of the prototype."""
        self.disabled_methods.add(name if static or name.startswith("prototype.") else f"prototype.{name}")

    beginTransaction = begin_transaction
    findOne = find_one
    findById = find_by_id
    findByIds = find_by_ids
    patchOrCreate = upsert = updateOrCreate = update_or_create = patch_or_create
    replaceOrCreate = replace_or_create
    upsertWithWhere = patchOrCreateWithWhere = patch_or_create_with_where = upsert_with_where
    findOrCreate = find_or_create
    updateAll = update = update_all
    replaceById = replace_by_id
    destroyAll = deleteAll = delete_all = remove = destroy_all
    deleteById = destroyById = destroy_by_id = removeById = remove_by_id = delete_by_id
    beforeRemote = before_remote
    afterRemote = after_remote
    afterRemoteError = after_remote_error
    remoteMethod = remote_method
    disableRemoteMethod = disable_remote_method
    disableRemoteMethodByName = disable_remote_method_by_name = disable_remote_method
