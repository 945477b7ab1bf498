"""Validation as a step of an operation.

In charge of: running a model's validators on an instance and raising LoopBack's ValidationError.
Must not know: the validators themselves, connectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenant_runtime.model.validation import ValidationError, validate

if TYPE_CHECKING:
    from tenant_runtime.model.instance import Instance


async def is_valid(instance: Instance, options: dict[str, Any]) -> bool:
    errors = await validate(instance, options)
    instance.errors = errors or False
    return not errors


async def ensure_valid(instance: Instance, options: dict[str, Any]) -> None:
    """Raise ValidationError (422) unless the instance is valid."""
    if not await is_valid(instance, options):
        raise ValidationError(instance, instance.errors)
