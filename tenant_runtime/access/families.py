"""Which models derive from a built-in one: the app's own User, AccessToken, Role and ACL.

In charge of: LoopBack's ``getModelByType`` and what makes an app have several user models. Works on models at
run time, and reads nothing but their ``name``, ``base`` and ``relations``.
"""

from __future__ import annotations

from typing import Any


def derives_from(model: Any, base_name: str) -> bool:
    """Whether the model is ``base_name`` or has it among its bases."""
    while model is not None:
        if model.name == base_name:
            return True
        model = model.base
    return False


def model_by_type(registry: Any, type_name: str) -> Any:
    """The first model derived from ``type_name``, else that model itself (None when it is not there)."""
    for model in registry.models():
        if model.name != type_name and derives_from(model, type_name):
            return model
    return registry.get(type_name)


def user_models(registry: Any) -> frozenset[str]:
    """Names of the models derived from User, without User itself."""
    return frozenset(m.name for m in registry.models() if m.name != "User" and derives_from(m, "User"))


def has_many_user_models(user_model: Any) -> bool:
    """Whether the user model shares its tokens with others: its ``accessTokens`` relation is polymorphic."""
    relation = user_model.relations.get("accessTokens") if user_model is not None else None
    return bool(relation is not None and relation.polymorphic)
