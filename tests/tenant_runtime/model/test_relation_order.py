"""The order in which relations are set up, which names join models and places columns."""

from __future__ import annotations

from typing import Any

from tenant_runtime.model.build import build
from tenant_runtime.model.registry import Registry
from tests.tenant_runtime.registries import Json, memory, registry_of


def many(name: str, other: str) -> Json:
    relation = {"type": "hasAndBelongsToMany", "model": other, "foreignKey": ""}
    return {"name": name, "properties": {}, "relations": {other.lower() + "s": relation}}


def test_a_join_model_is_called_after_the_side_that_comes_last() -> None:
    """Its relation is set up at once; the first one's waited for its target."""
    article_first = registry_of(many("Article", "Label"), many("Label", "Article"))
    assert "LabelArticle" in article_first
    assert "ArticleLabel" not in article_first
    label_first = registry_of(many("Label", "Article"), many("Article", "Label"))
    assert "ArticleLabel" in label_first


def test_foreign_keys_stand_in_the_order_of_setting_up() -> None:
    def belongs(model: str) -> Json:
        return {"type": "belongsTo", "model": model, "foreignKey": ""}

    line: dict[str, Any] = {
        "name": "Line",
        "properties": {"n": "number"},
        "relations": {"order": belongs("Order"), "item": belongs("Item")},
    }
    plain = [{"name": name, "properties": {}} for name in ("Item", "Order")]
    early = registry_of(plain[0], line, plain[1])
    assert list(early["Line"].definition.properties) == ["n", "id", "itemId", "orderId"]
    late = registry_of(*plain, line)
    assert list(late["Line"].definition.properties) == ["n", "id", "orderId", "itemId"]


def test_a_target_that_never_comes_is_named() -> None:
    registry = Registry(None)
    lonely = many("Article", "Label")
    base = registry.models["PersistedModel"].definition
    registry.attach(registry.define(build(lonely, base)), memory())
    assert registry.resolve() == ["Article: the relation labels is left out: there is no model Label"]
    registry.attach(registry.define(build({"name": "Label", "properties": {}}, base)), memory("other"))
    assert registry.resolve() == []
    assert "labels" in registry["Article"].relations
