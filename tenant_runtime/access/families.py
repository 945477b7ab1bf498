"""Which models are users: what makes an app have several user models.

In charge of: LoopBack's rules for principals of more than one user model. Works on models at run time, and
reads nothing but their bases and relations.
"""

from __future__ import annotations

from typing import Any


def user_models(registry: Any) -> frozenset[str]:
    """Names of the models derived from User, without User itself."""
    return frozenset(m.name for m in registry.models.values() if m.name != "User" and m.extends("User"))


def has_many_user_models(user_model: Any) -> bool:
    """Whether the user model shares its tokens with others: its ``accessTokens`` relation is polymorphic."""
    relation = user_model.relations.get("accessTokens") if user_model is not None else None
    return bool(relation is not None and relation.polymorphic)
