"""Validations that embedding and referring relations add to their owner.

In charge of: LoopBack's messages and codes for invalid, duplicate and unidentified items.
Must not know: stores.
"""

from __future__ import annotations

from typing import Any

from tenant_runtime.model.instance import Instance
from tenant_runtime.model.javascript import is_nullish, to_text, truthy
from tenant_runtime.model.model_class import ModelClass
from tenant_runtime.model.relations.base import Relation
from tenant_runtime.model.validation import Errors, Report, check_now


def _first_error(errors: Errors) -> tuple[str, str]:
    attribute = next(iter(errors.messages))
    return attribute, ",".join(errors.messages[attribute])


def validate_embedded_one(model: ModelClass, relation: Relation) -> None:
    def check(instance: Instance, report: Report) -> None:
        embedded = instance._data.get(relation.key_from)
        if isinstance(embedded, Instance) and (errors := check_now(embedded)):
            attribute, messages = _first_error(errors)
            report.add(f"is invalid: `{attribute}` {messages}", "invalid")

    model.validate(relation.name, check)


def validate_embedded_many(model: ModelClass, relation: Relation) -> None:
    def items(instance: Instance) -> list[Any]:
        value = instance._data.get(relation.key_from)
        return value if isinstance(value, list) else []

    def check_ids(instance: Instance, report: Report) -> None:
        for index, item in enumerate(items(instance)):
            if isinstance(item, Instance) and is_nullish(item._data.get(relation.key_to)):
                report.add(
                    f"contains invalid item at index `{index}`: `{relation.key_to}` is blank", "invalid"
                )

    def check_duplicates(instance: Instance, report: Report) -> None:
        ids = [_id_text(item, relation.key_to) for item in items(instance)]
        if len(set(ids)) != len(ids):
            report.add(f"contains duplicate `{relation.key_to}`", "uniqueness")

    def check_items(instance: Instance, report: Report) -> None:
        for index, item in enumerate(items(instance)):
            _check_item(item, index, relation.key_to, report)

    if not hasattr(relation.target.source().connector, "generate_id"):
        model.validate(relation.key_from, check_ids)
    if not relation.raw.get("polymorphic"):
        model.validate(relation.key_from, check_duplicates)
    if relation.options.get("validate") is not False:
        model.validate(relation.key_from, check_items)


def _id_text(item: Any, key: str) -> Any:
    value = item._data.get(key) if isinstance(item, Instance) else None
    return to_text(value) if truthy(value) else None


def _check_item(item: Any, index: int, key: str, report: Report) -> None:
    if not isinstance(item, Instance):
        report.add("contains invalid item", "invalid")
    elif errors := check_now(item):
        id = item._data.get(key)
        place = (
            f"contains invalid item: `{to_text(id)}`"
            if truthy(id)
            else f"contains invalid item at index `{index}`"
        )
        attribute, messages = _first_error(errors)
        report.add(f"{place} (`{attribute}` {messages})", "invalid")


def validate_references(model: ModelClass, relation: Relation) -> None:
    def check(instance: Instance, report: Report) -> None:
        ids = [to_text(id) for id in instance._data.get(relation.key_from) or ()]
        if len(set(ids)) != len(ids):
            report.add(f"contains duplicate `{relation.target.name}` instance", "uniqueness")

    model.validate(relation.name, check)
