"""Python beside a LoopBack project's JavaScript: what can be said is said, the rest is a stub.

In charge of: the text. A stub names the place of the original by file and line and stands in the module's
``TODO``, which the tenant's runtime reports at each start. Hooks that are not written yet do nothing; remote
methods answer 501. Must not know: files. Pure.
"""

from __future__ import annotations

import keyword
import pprint
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import inflection

from mtctl.appimport.javascript import Expression, Finding, Function, Pattern

#: Last parameters of JavaScript functions that Python does without.
_CALLBACKS = frozenset({"cb", "callback", "next", "done", "fn"})

#: Generated validators whose options need no code.
_VALIDATORS = {
    "validatesPresenceOf": "validates_presence_of",
    "validatesAbsenceOf": "validates_absence_of",
    "validatesLengthOf": "validates_length_of",
    "validatesNumericalityOf": "validates_numericality_of",
    "validatesInclusionOf": "validates_inclusion_of",
    "validatesExclusionOf": "validates_exclusion_of",
    "validatesFormatOf": "validates_format_of",
    "validatesUniquenessOf": "validates_uniqueness_of",
    "validatesDateOf": "validates_date_of",
}
_HOOKS = {
    "beforeRemote": "before_remote",
    "afterRemote": "after_remote",
    "afterRemoteError": "after_remote_error",
}


@dataclass(slots=True)
class Module:
    """A Python file to write. ``todo`` is what is left in it, ``translated`` what is not."""

    text: str
    todo: list[str] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)


def model_module(model: str, original: str, findings: Iterable[Finding]) -> Module:
    """``models/x.py`` for ``models/x.js``; ``original`` is the latter's path in the application."""
    writer = _Writer(model, original)
    for finding in findings:
        writer.add(finding)
    head = f'"""What {model} does beyond its JSON, as {original} did."""'
    return writer.module(head, f"def setup({model}):", "Called once while the application boots.")


def boot_module(original: str, findings: Iterable[Finding]) -> Module:
    """``boot/x.py`` for ``boot/x.js``."""
    writer = _Writer("app", original)
    for finding in findings:
        writer.add(finding)
    if not writer.blocks:
        writer.todo.append(f"boot script: {original}:1")
    return writer.module(f'"""What {original} did at start."""', "def boot(app):", "")


def mixin_module(name: str, original: str, findings: Iterable[Finding]) -> Module:
    """``mixins/x.py`` for ``mixins/x.js``."""
    writer = _Writer("Model", original)
    for finding in findings:
        writer.add(finding)
    if not writer.blocks:
        writer.todo.append(f"mixin: {original}:1")
    return writer.module(f'"""The mixin {name}, as {original} did."""', "def mixin(Model, options):", "")


def middleware_module(original: str) -> Module:
    """``middleware/x.py`` for ``middleware/x.js``: lets every request through."""
    text = f'''"""Middleware, to be brought over from {original}."""

TODO = ["middleware: {original}:1"]


def factory(params=None):
    """{original}:1"""

    async def middleware(request, call_next):
        return await call_next(request)

    return middleware
'''
    return Module(text, [f"middleware: {original}:1"])


def component_module(original: str) -> Module:
    """``components/x.py`` for ``components/x.js``: does nothing."""
    text = f'''"""A component, to be brought over from {original}."""

TODO = ["component: {original}:1"]


def setup(app, config):
    """{original}:1"""
'''
    return Module(text, [f"component: {original}:1"])


class _Writer:
    """Collects the blocks of one ``setup`` function."""

    def __init__(self, owner: str, original: str) -> None:
        self.owner = owner
        self.original = original
        self.blocks: list[list[str]] = []
        self.todo: list[str] = []
        self.translated: list[str] = []
        self.needs_error = False
        self._names: set[str] = set()

    def module(self, head: str, signature: str, docstring: str) -> Module:
        lines = [head, ""]
        if self.needs_error:
            lines += ["from tenant_runtime.errors import LoopbackError", ""]
        if self.todo:
            lines += ["#: Not brought over yet; reported at each start. Take a line out when it is done."]
            lines += ["TODO = [", *(f"    {entry!r}," for entry in self.todo), "]", ""]
        lines += ["", signature]
        body = [f'"""{docstring}"""', ""] if docstring else []
        for block in self.blocks:
            body += [*block, ""]
        while body and not body[-1]:
            body.pop()
        lines += [f"    {line}" if line else "" for line in body or ["pass"]]
        return Module("\n".join(lines) + "\n", self.todo, self.translated)

    def add(self, finding: Finding) -> None:
        write: dict[str, Callable[[Finding], None]] = {
            "observe": self._observe,
            "remote hook": self._remote_hook,
            "remote method": self._remote_method,
            "disabled method": self._disabled,
            "static method": self._method,
            "prototype method": self._method,
            "setter": self._setter,
            "validator": self._validator,
            "event": self._event,
            "role resolver": self._role,
            "route": self._route,
            "middleware": self._middleware,
            "authentication": lambda _: self._say("authentication", "app.enable_auth()"),
            "status route": lambda found: self._say(
                "status route", f"app.router.get({found.arguments[0]!r}, app.status)"
            ),
        }
        write[finding.kind](finding)

    def _place(self, finding: Finding) -> str:
        return f"{self.original}:{finding.first_line}"

    def _leave(self, what: str, finding: Finding) -> None:
        self.todo.append(f"{what}: {self._place(finding)}")

    def _say(self, what: str, *lines: str) -> None:
        self.translated.append(what)
        self.blocks.append(list(lines))

    def _name(self, text: str) -> str:
        """A Python name that this function does not use yet."""
        words = "".join(character if character.isalnum() else "_" for character in text)
        base = inflection.underscore(words).strip("_") or "function"
        name, number = base, 2
        while name in self._names or keyword.iskeyword(name) or name[0].isdigit():
            name, number = f"{base}_{number}", number + 1
        self._names.add(name)
        return name

    def _receiver(self, finding: Finding) -> str:
        """The model (or app) meant: ``Customer.observe`` and ``app.models.Customer.observe`` alike."""
        words = finding.receiver.split(".")
        if len(words) >= 3 and words[-2] == "models":
            return (
                f"app.models.{words[-1]}" if self.owner == "app" else f"{self.owner}.app.models.{words[-1]}"
            )
        return self.owner

    def _stub(self, decorator: str, name: str, parameters: str, finding: Finding) -> None:
        self.blocks.append(
            [decorator, f"async def {self._name(name)}({parameters}):", f'    """{self._place(finding)}"""']
        )

    def _observe(self, finding: Finding) -> None:
        operation = _text(finding, 0)
        self._leave(f"hook {operation}", finding)
        self._stub(f"@{self._receiver(finding)}.observe({operation!r})", operation, "ctx", finding)

    def _remote_hook(self, finding: Finding) -> None:
        pattern, hook = _text(finding, 0), _HOOKS[finding.name]
        self._leave(f"{finding.name} {pattern}", finding)
        self._stub(f"@{self._receiver(finding)}.{hook}({pattern!r})", f"{hook} {pattern}", "ctx", finding)

    def _event(self, finding: Finding) -> None:
        name = _text(finding, 0)
        self._leave(f"event {name}", finding)
        self._stub(f"@{self._receiver(finding)}.on({name!r})", f"on {name}", "*arguments", finding)

    def _role(self, finding: Finding) -> None:
        role = _text(finding, 0)
        self._leave(f"role {role}", finding)
        app = "app" if self.owner == "app" else f"{self.owner}.app"
        self._stub(f"@{app}.role({role!r})", f"role {role}", "role, ctx", finding)
        self.blocks[-1].append("    return False")

    def _route(self, finding: Finding) -> None:
        verb, path = finding.name, _text(finding, 0)
        self._leave(f"route {verb.upper()} {path}", finding)
        if verb == "use":
            return
        self.needs_error = True
        self._stub(f"@app.router.{verb}({path!r})", f"{verb} {path}", "request, response", finding)
        self.blocks[-1].append(_refusal(f"{verb.upper()} {path}"))

    def _middleware(self, finding: Finding) -> None:
        """``app.use(router)`` mounts what is declared elsewhere; anything else is code."""
        if isinstance(finding.arguments[0], Expression) and finding.arguments[0].text == "router":
            return
        self._leave("middleware", finding)

    def _disabled(self, finding: Finding) -> None:
        name, *rest = finding.arguments or (None,)
        if not isinstance(name, str):
            self._leave(f"{finding.name}({_shown(name)})", finding)
            return
        static = "" if not rest or rest[0] is not False else ", static=False"
        self._say("disabled method", f"{self._receiver(finding)}.disable_remote_method({name!r}{static})")

    def _validator(self, finding: Finding) -> None:
        method = _VALIDATORS.get(finding.name)
        arguments = None if method is None else _validator_arguments(finding.arguments)
        if method is None or arguments is None:
            self._leave(
                f"{finding.name} {_shown(finding.arguments[0] if finding.arguments else '')}", finding
            )
            return
        self._say("validator", f"{self._receiver(finding)}.{method}({', '.join(arguments)})")

    def _method(self, finding: Finding) -> None:
        prefix = "prototype." if finding.kind == "prototype method" else ""
        self._leave(f"{finding.kind} {finding.name}", finding)
        self.needs_error = True
        first = "self" if prefix else self.owner
        names = [first, *(name for name in _parameters(finding) if name != first)]
        python_name = self._name(finding.name)
        self.blocks.append(
            [
                f"async def {python_name}({', '.join(names)}):",
                f'    """{self._place(finding)}"""',
                _refusal(f"{self.owner}.{prefix}{finding.name}"),
                "",
                f"{self.owner}.define({prefix + finding.name!r}, {python_name})",
            ]
        )

    def _setter(self, finding: Finding) -> None:
        self._leave(f"setter {finding.name}", finding)

    def _remote_method(self, finding: Finding) -> None:
        name, *rest = finding.arguments or ("",)
        spec = rest[0] if rest else {}
        if not isinstance(name, str) or not isinstance(spec, dict):
            self._leave(f"remote method {_shown(name)}", finding)
            return
        cleaned, lost = _literal(spec)
        for key in lost:
            self._leave(f"remote method {name}: {key}", finding)
        lines = pprint.pformat(cleaned, width=96, sort_dicts=False).splitlines()
        receiver = self._receiver(finding)
        self._say(
            "remote method",
            f"{receiver}.remote_method(",
            f"    {name!r},",
            *(f"    {line}" for line in lines[:-1]),
            f"    {lines[-1]},",
            ")",
        )


def _refusal(what: str) -> str:
    return (
        f'    raise LoopbackError({what + " is not brought over yet"!r}, status=501, code="NOT_BROUGHT_OVER")'
    )


def _text(finding: Finding, index: int) -> str:
    value = finding.arguments[index] if index < len(finding.arguments) else ""
    return value if isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    return value.text if isinstance(value, Expression) else str(value)


def _parameters(finding: Finding) -> list[str]:
    """Python names for a JavaScript function's parameters, its callback left out."""
    function = finding.arguments[0]
    given = list(function.parameters) if isinstance(function, Function) else []
    if given and given[-1] in _CALLBACKS:
        given.pop()
    return [f"{name}_" if keyword.iskeyword(name) else name.replace("$", "_") for name in given]


def _validator_arguments(arguments: tuple[Any, ...]) -> list[str] | None:
    """Python arguments for a validator, or None when an option is code."""
    written: list[str] = []
    for argument in arguments:
        if isinstance(argument, str):
            written.append(repr(argument))
        elif isinstance(argument, dict):
            options = {key: _option(value) for key, value in argument.items()}
            if any(value is None for value in options.values()):
                return None
            for key, value in options.items():
                if not key.isidentifier():
                    return None
                written.append(f"{key}_={value}" if keyword.iskeyword(key) else f"{key}={value}")
        else:
            return None
    return written


def _option(value: Any) -> str | None:
    if isinstance(value, Pattern):
        flags = "".join(flag for flag in value.flags if flag in "ims")
        return repr(f"(?{flags}){value.source}" if flags else value.source)
    cleaned, lost = _literal(value)
    return None if lost else repr(cleaned)


def _literal(value: Any, path: str = "") -> tuple[Any, list[str]]:
    """The value without what is code in it, and the paths of that."""
    if isinstance(value, Function | Expression | Pattern):
        return None, [path or "value"]
    if isinstance(value, dict):
        kept, lost = {}, []
        for key, child in value.items():
            cleaned, missing = _literal(child, f"{path}.{key}" if path else key)
            lost += missing
            if not (missing and cleaned is None):
                kept[key] = cleaned
        return kept, lost
    if isinstance(value, list):
        items, lost = [], []
        for index, child in enumerate(value):
            cleaned, missing = _literal(child, f"{path}[{index}]")
            lost += missing
            items.append(cleaned)
        return items, lost
    return value, []
