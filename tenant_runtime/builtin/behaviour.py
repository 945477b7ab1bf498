"""What a model can do by being a built-in one, or by being derived from one."""

from __future__ import annotations

from typing import Any


def equip(model: Any) -> None:
    """Gives the model its built-in behaviour; called once for each model, bases first, when it is defined."""
