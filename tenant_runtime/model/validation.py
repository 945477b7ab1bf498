"""Validators and LoopBack's ValidationError (juggler ``validations.js``).

In charge of: the ten validators, their codes and messages, the order of errors, the error's text and details.
Must not know: connectors, HTTP. Uniqueness asks the model's own ``find``.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenant_runtime.errors import LoopbackError
from tenant_runtime.model.dates import to_date
from tenant_runtime.model.inspection import format_property_value
from tenant_runtime.model.javascript import INVALID_DATE, UNDEFINED, to_text, truthy

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance

MESSAGES: dict[str, Any] = {
    "presence": "can't be blank",
    "absence": "can't be set",
    "unknown-property": "is not defined in the model",
    "length": {"min": "too short", "max": "too long", "is": "length is wrong"},
    "numericality": {"int": "is not an integer", "number": "is not a number"},
    "inclusion": "is not included in the list",
    "exclusion": "is reserved",
    "uniqueness": "is not unique",
    "date": "is not a valid date",
}
COMMON_MESSAGES = {"blank": "is blank", "null": "is null"}

#: Python spellings of LoopBack's option names.
_OPTION_NAMES = {
    "allow_null": "allowNull",
    "allow_blank": "allowBlank",
    "ignore_case": "ignoreCase",
    "scoped_to": "scopedTo",
    "in_": "in",
    "with_": "with",
    "if_": "if",
    "is_": "is",
}


@dataclass(slots=True)
class Validator:
    """One validation of one attribute; ``options`` hold LoopBack's words (min, allowNull, message, if…)."""

    kind: str
    attribute: str
    options: dict[str, Any] = field(default_factory=dict)
    function: Callable[..., Any] | None = None  # the custom validator
    asynchronous: bool = False


class Errors:
    """Messages and codes by attribute, in the order in which they came."""

    def __init__(self) -> None:
        self.messages: dict[str, list[str]] = {}
        self.codes: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self.messages)

    def add(self, attribute: str, message: str, code: str = "invalid") -> None:
        self.messages.setdefault(attribute, []).append(message)
        self.codes.setdefault(attribute, []).append(code)


class Report:
    """What a validator is given to say that the value is wrong: ``err()``, ``err("min")``, ``err.add(…)``."""

    def __init__(self, validator: Validator, errors: Errors) -> None:
        self._validator = validator
        self._errors = errors

    def __call__(self, kind: Any = None) -> None:
        """The validator's message and code, those of ``kind`` where it has several."""
        options, validation = self._validator.options, self._validator.kind
        code = options.get("code") or validation
        message = options.get("message") or MESSAGES.get(validation) or "is invalid"
        if kind is False:
            return
        if kind:
            code = f"{code}.{kind}"
            if isinstance(message, dict) and message.get(str(kind)):
                message = message[str(kind)]
            else:
                message = COMMON_MESSAGES.get(str(kind), "is invalid")
        self._errors.add(self._validator.attribute, message, code)

    def add(self, message: str, code: str) -> None:
        """A message of the validator's own."""
        self._errors.add(self._validator.attribute, message, code)


class ValidationError(LoopbackError):
    """422 with LoopBack's text; ``details`` are context, codes and messages."""

    def __init__(self, instance: Instance, errors: Errors) -> None:
        name = instance._model.name
        values = {attribute: _shown(instance, attribute) for attribute in errors.messages}
        texts = [
            f"`{attribute}` {message} (value: {format_property_value(values, attribute)})"
            for attribute, messages in errors.messages.items()
            for message in messages
        ]
        details = "; ".join(texts) or "(unknown)"
        super().__init__(
            f"The `{name}` instance is not valid. Details: {details}.",
            status=422,
            name="ValidationError",
            details={"context": name, "codes": errors.codes, "messages": errors.messages},
        )


def _shown(instance: Instance, attribute: str) -> Any:
    """The value as ``toJSON`` has it: hidden ones are undefined."""
    if attribute in instance._model.left_out(True, False):
        return UNDEFINED
    return _with_undefined(instance._data.get(attribute, UNDEFINED))


def _with_undefined(value: Any) -> Any:
    """Nested objects show their declared properties also where they have no value."""
    if isinstance(value, list):
        return [_with_undefined(item) for item in value]
    model = getattr(value, "_model", None)
    if model is None:
        return value
    data = value._data
    names = [*model.property_names, *(name for name in data if name not in model.codecs)]
    left_out = model.left_out(True, True)
    return {name: _with_undefined(data.get(name, UNDEFINED)) for name in names if name not in left_out}


class Validators:
    """The validations of one model, in registration order, grouped by attribute as LoopBack runs them."""

    def __init__(self) -> None:
        self._by_attribute: dict[str, list[Validator]] = {}
        self._ordered: list[Validator] | None = None

    def add(self, kind: str, *arguments: Any, **options: Any) -> None:
        """``add("length", "name", min=3)``: attribute names, then LoopBack's options as a dict or
        keywords.
        """
        names = [argument for argument in arguments if isinstance(argument, str)]
        for argument in arguments:
            if isinstance(argument, dict):
                options = {**argument, **options}
        function = next((a for a in arguments if callable(a)), None)
        options = {_OPTION_NAMES.get(key, key): value for key, value in options.items()}
        asynchronous = kind == "uniqueness" or bool(options.pop("async", False))
        for name in names:
            validator = Validator(kind, name, options, function, asynchronous)
            self._by_attribute.setdefault(name, []).append(validator)
        self._ordered = None

    def copy(self) -> Validators:
        twin = Validators()
        twin._by_attribute = {name: list(validators) for name, validators in self._by_attribute.items()}
        return twin

    def ordered(self) -> list[Validator]:
        if self._ordered is None:
            self._ordered = [v for validators in self._by_attribute.values() for v in validators]
        return self._ordered


async def validate(instance: Instance, options: dict[str, Any]) -> Errors:
    """Run all validators: the synchronous ones, then unknown properties, then the asynchronous ones."""
    errors = Errors()
    later: list[Validator] = []
    for validator in instance._model.validators.ordered():
        if validator.asynchronous:
            later.append(validator)
        elif _applies(validator, instance):
            check(validator, instance, errors, options)
    for name in instance._unknown or ():
        errors.add(name, MESSAGES["unknown-property"], "unknown-property")
    for validator in later:
        if _applies(validator, instance):
            await _check_later(validator, instance, errors, options)
    return errors


def check_now(instance: Instance) -> Errors:
    """The synchronous validators only: how items inside another object are checked."""
    errors = Errors()
    for validator in instance._model.validators.ordered():
        if not validator.asynchronous and _applies(validator, instance):
            check(validator, instance, errors, {})
    for name in instance._unknown or ():
        errors.add(name, MESSAGES["unknown-property"], "unknown-property")
    return errors


def check(validator: Validator, instance: Instance, errors: Errors, options: dict[str, Any]) -> None:
    """One synchronous validator."""
    report = Report(validator, errors)
    if validator.kind == "custom":
        if validator.function is not None:
            validator.function(*_custom_arguments(validator.function, instance, report, options))
        return
    attribute = validator.attribute
    data = instance._data
    _CHECKS[validator.kind](data.get(attribute), attribute in data, validator.options, report)


async def _check_later(
    validator: Validator, instance: Instance, errors: Errors, options: dict[str, Any]
) -> None:
    report = Report(validator, errors)
    if validator.kind == "uniqueness":
        await _check_uniqueness(validator, instance, report, options)
    elif validator.function is not None:
        result = validator.function(*_custom_arguments(validator.function, instance, report, options))
        if inspect.isawaitable(result):
            await result


def _custom_arguments(
    function: Callable[..., Any], instance: Instance, report: Report, options: dict[str, Any]
) -> tuple[Any, ...]:
    """(instance, err) or (instance, err, options), by what the function declares."""
    declared = len(inspect.signature(function).parameters)
    return (instance, report, options)[: max(2, min(declared, 3))]


def _applies(validator: Validator, instance: Instance) -> bool:
    """``if`` and ``unless``: a function of the instance, or the name of a method or property.

    Where the instance has neither, ``if`` lets the validator run and ``unless`` skips it, as in LoopBack.
    """
    if not validator.options:
        return True
    for word in ("if", "unless"):
        condition = validator.options.get(word)
        if condition is None:
            continue
        if callable(condition):
            holds = bool(condition(instance))
        elif condition in ("isNewRecord", "is_new_record"):
            holds = not instance._persisted
        elif (method := instance._model.find_prototype_method(condition)) is not None:
            holds = bool(method(instance))
        elif condition in instance._data:
            holds = truthy(instance._data[condition])
        elif word == "unless":
            return False
        else:
            continue
        if holds is (word == "unless"):
            return False
    return True


def is_blank(value: Any) -> bool:
    """LoopBack's blank: undefined, null, NaN, "" and []."""
    return value is None or value == "" or value == [] or (isinstance(value, float) and math.isnan(value))


def _missing(value: Any, defined: bool, options: dict[str, Any], report: Report) -> bool:
    """nullCheck: report null and blank unless allowed; True means that there is nothing to check."""
    if not defined or value == "":
        if not options.get("allowBlank"):
            report("blank")
        return True
    if value is None:
        if not options.get("allowNull"):
            report("null")
        return True
    return False


def _presence(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if is_blank(value):
        report()


def _absence(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if not is_blank(value):
        report()


def _length(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if _missing(value, defined, options, report):
        return
    size = len(value) if isinstance(value, str | list) else None
    if size is None:
        return
    if isinstance(value, str):
        size += sum(character > "\uffff" for character in value)  # UTF-16 units
    if options.get("min") and size < options["min"]:
        report("min")
    if options.get("max") and size > options["max"]:
        report("max")
    if options.get("is") and size != options["is"]:
        report("is")


def _numericality(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if _missing(value, defined, options, report):
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        report("number")
    elif options.get("int") and value != math.floor(value + 0.5):
        report("int")


def _inclusion(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if not _missing(value, defined, options, report) and value not in options.get("in", ()):
        report()


def _exclusion(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if not _missing(value, defined, options, report) and value in options.get("in", ()):
        report()


def _format(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if _missing(value, defined, options, report):
        return
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not is_text or not re.search(options.get("with", ""), to_text(value)):
        report()


def _date(value: Any, defined: bool, options: dict[str, Any], report: Report) -> None:
    if value is not None and to_date(value) is INVALID_DATE:
        report()


_CHECKS: dict[str, Callable[[Any, bool, dict[str, Any], Report], None]] = {
    "presence": _presence,
    "absence": _absence,
    "length": _length,
    "numericality": _numericality,
    "inclusion": _inclusion,
    "exclusion": _exclusion,
    "format": _format,
    "date": _date,
}


async def _check_uniqueness(
    validator: Validator, instance: Instance, report: Report, options: dict[str, Any]
) -> None:
    attribute = validator.attribute
    value = instance._data.get(attribute)
    if is_blank(value):
        return
    where: dict[str, Any] = {attribute: value}
    if validator.options.get("ignoreCase") and isinstance(value, str):
        where = {attribute: {"regexp": f"/^{_escape(value)}$/i"}}
    for other in validator.options.get("scopedTo") or ():
        if other in instance._data:
            where[other] = instance._data[other]
    model = instance._model
    found = await model.find({"where": where}, options)
    if not found:
        return
    if len(found) > 1 or (model.definition.id_name == attribute and not instance._persisted):
        report()
        return
    own, other_id = instance.id, found[0].id
    if not own or not other_id or to_text(own) != to_text(other_id):
        report()


def _escape(text: str) -> str:
    return re.sub(r"[|\\{}()\[\]^$+*?.]", lambda match: "\\" + match.group(), text)
