"""Imports what workers need, in the process that they are forked from."""

from __future__ import annotations

import importlib

for name in ("worker", "schema", "connectors.memory", "connectors.mongodb.client", "connectors.sql.engine"):
    importlib.import_module(f"tenant_runtime.{name}")
