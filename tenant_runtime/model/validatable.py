"""What a model offers to declare its validations with.

In charge of: LoopBack's ``validatesXOf`` and ``validate`` (juggler ``Validatable``), in both spellings. Must
not know: how validators work; that is ``validation``.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.model.validation import Validators


class Validatable:
    """The base of ModelClass that owns its validators. Arguments: names, then LoopBack's options."""

    def __init__(self) -> None:
        self.validators = Validators()

    def validates(self, kind: str, *arguments: Any, **options: Any) -> None:
        """Any kind of validator, by LoopBack's name."""
        self.validators.add(kind, *arguments, **options)

    def validates_presence_of(self, *arguments: Any, **options: Any) -> None:
        """Not undefined, null or blank."""
        self.validators.add("presence", *arguments, **options)

    def validates_absence_of(self, *arguments: Any, **options: Any) -> None:
        """Undefined, null or blank."""
        self.validators.add("absence", *arguments, **options)

    def validates_length_of(self, *arguments: Any, **options: Any) -> None:
        """``min``, ``max`` or ``is`` of a text's or list's length."""
        self.validators.add("length", *arguments, **options)

    def validates_numericality_of(self, *arguments: Any, **options: Any) -> None:
        """A number; with ``int`` a whole one."""
        self.validators.add("numericality", *arguments, **options)

    def validates_inclusion_of(self, *arguments: Any, **options: Any) -> None:
        """One of ``in``."""
        self.validators.add("inclusion", *arguments, **options)

    def validates_exclusion_of(self, *arguments: Any, **options: Any) -> None:
        """None of ``in``."""
        self.validators.add("exclusion", *arguments, **options)

    def validates_format_of(self, *arguments: Any, **options: Any) -> None:
        """A text that matches the pattern ``with``."""
        self.validators.add("format", *arguments, **options)

    def validates_uniqueness_of(self, *arguments: Any, **options: Any) -> None:
        """No other object has the value; ``scopedTo`` names more properties to compare."""
        self.validators.add("uniqueness", *arguments, **options)

    def validates_date_of(self, *arguments: Any, **options: Any) -> None:
        """A date that is one."""
        self.validators.add("date", *arguments, **options)

    def validate(self, *arguments: Any, **options: Any) -> None:
        """``Model.validate("name", fn, message=…)`` with ``fn(instance, err)``."""
        self.validators.add("custom", *arguments, **options)

    def validate_async(self, *arguments: Any, **options: Any) -> None:
        """A coroutine function ``(instance, fail)`` that calls ``fail()`` for a bad value."""
        options["async"] = True
        self.validators.add("custom", *arguments, **options)

    validatesPresenceOf = validates_presence_of
    validatesAbsenceOf = validates_absence_of
    validatesLengthOf = validates_length_of
    validatesNumericalityOf = validates_numericality_of
    validatesInclusionOf = validates_inclusion_of
    validatesExclusionOf = validates_exclusion_of
    validatesFormatOf = validates_format_of
    validatesUniquenessOf = validates_uniqueness_of
    validatesDateOf = validates_date_of
    validateAsync = validate_async
