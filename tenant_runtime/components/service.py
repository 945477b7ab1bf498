"""What the connectors of services (mail, file storage) have in common: they store no objects.

In charge of: being a Connector to the data source, and saying clearly that there is nothing to find in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tenant_runtime.connectors.base import (
    Capabilities,
    QueryRefused,
    Row,
    Transaction,
)
from tenant_runtime.filter.query import Query, Where
from tenant_runtime.model.definition import ModelDefinition


class ServiceConnector:
    """A connector without a store. Its models get their methods in ``attached``."""

    name = "service"
    capabilities = Capabilities(inline=True)

    def __init__(self, name: str, settings: dict[str, Any], tenant_dir: Path) -> None:
        self.data_source_name = name
        self.settings = settings
        self.tenant_dir = tenant_dir

    def attached(self, model: Any) -> None:
        """Give a model that was attached to the data source the service's methods."""

    def define(self, model: ModelDefinition) -> None:
        pass

    def connect(self) -> None:
        pass

    def disconnect(self) -> None:
        pass

    def ping(self) -> None:
        pass

    def _refuse(self, model: str) -> NoReturn:
        raise QueryRefused(f"the data source {self.data_source_name} stores no objects: {model} has none")

    def create(self, model: str, row: Row, tx: Transaction | None = None) -> Any:
        self._refuse(model)

    def find(self, model: str, query: Query, tx: Transaction | None = None) -> list[Row]:
        self._refuse(model)

    def count(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        self._refuse(model)

    def update(self, model: str, where: Where, changes: Row, tx: Transaction | None = None) -> int:
        self._refuse(model)

    def replace(self, model: str, id: Any, row: Row, tx: Transaction | None = None) -> int:
        self._refuse(model)

    def delete(self, model: str, where: Where, tx: Transaction | None = None) -> int:
        self._refuse(model)

    def begin(self, isolation: str | None = None) -> Transaction:
        self._refuse("a transaction")

    def execute(self, command: Any, parameters: Sequence[Any] = ()) -> Any:
        self._refuse("execute")
