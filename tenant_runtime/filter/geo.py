"""``near``: distances on the sphere, and which rows are close (juggler ``geo.js``).

In charge of: selecting and sorting by distance. Must not know: stores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tenant_runtime.filter.query import Compare
from tenant_runtime.model.types import to_geopoint

#: The earth's radius in each unit; LoopBack's figures.
RADIUS = {
    "kilometers": 6370.99056,
    "meters": 6370990.56,
    "miles": 3958.75,
    "feet": 20902200.0,
    "radians": 1.0,
    "degrees": 57.29577951308,
}
DEG2RAD = 0.01745329252


def distance(one: dict[str, Any], other: dict[str, Any], unit: str = "miles") -> float:
    """Haversine distance of two points; NaN for an unknown unit."""
    lat1, lat2 = one["lat"] * DEG2RAD, other["lat"] * DEG2RAD
    dlng = (other["lng"] - one["lng"]) * DEG2RAD
    root = math.sqrt(
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat2) * math.cos(lat1) * math.sin(dlng / 2) ** 2
    )
    return 2 * math.asin(min(root, 1.0)) * RADIUS.get(unit, math.nan)


def select_near(rows: list[dict[str, Any]], conditions: Sequence[Compare]) -> list[dict[str, Any]]:
    """Rows that have a point within the distances of any condition, nearest first."""
    results: list[tuple[float, dict[str, Any]]] = []
    for condition in conditions:
        near = condition.value
        origin: dict[str, Any] | None = None  # a bad point is no error where no row has one to compare with
        unit = near.get("unit") or "miles"
        maximum, minimum = _bound(near.get("maxDistance")), _bound(near.get("minDistance"))
        key = condition.path.rpartition(".")[2]
        for row in rows:
            point = row.get(key)
            if not point:
                continue
            origin = origin or to_geopoint(near["near"])
            away = distance(origin, to_geopoint(point), unit)
            if not ((minimum and away < minimum) or (maximum and away > maximum)):
                results.append((away, row))
        results.sort(key=lambda found: found[0])
    return [row for _, row in results]


def _bound(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number > 0 else None
