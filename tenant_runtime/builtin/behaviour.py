"""What a model can do by being a built-in one, or by being derived from one.

In charge of: calling the built-in models' modules for each model that is defined. ``setup`` is for what each
model has for itself (methods, validations), ``observe`` for what derived models inherit (observers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenant_runtime.builtin import access_token, application, checkpoint, email, role, user

_SETUP: dict[str, Callable[[Any], None]] = {
    "AccessToken": access_token.setup,
    "Application": application.setup,
    "Checkpoint": checkpoint.setup,
    "Email": email.setup,
    "Role": role.setup,
    "User": user.setup,
}
_OBSERVE: dict[str, Callable[[Any], None]] = {
    "AccessToken": access_token.observe,
    "Application": application.observe,
    "User": user.observe,
}


def equip(model: Any) -> None:
    """Gives the model its built-in behaviour; called once for each model, bases first, when it is defined."""
    lineage = []
    ancestor = model
    while ancestor is not None:
        lineage.append(ancestor.name)
        ancestor = ancestor.base
    for name in reversed(lineage):
        if name in _SETUP:
            _SETUP[name](model)
    if model.name in _OBSERVE:
        _OBSERVE[model.name](model)
