"""What is said of JavaScript that a project still has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenant_runtime.errors import ConfigurationError


async def test_middleware_in_javascript_is_named_as_such(make_app: Any, tmp_path: Path) -> None:
    (tmp_path / "middleware").mkdir()
    (tmp_path / "middleware" / "audit.js").write_text("module.exports = function() {};")
    with pytest.raises(ConfigurationError, match="audit is JavaScript, which is not run"):
        await make_app({"middleware.json": {"routes": {"./middleware/audit": {}}}})
