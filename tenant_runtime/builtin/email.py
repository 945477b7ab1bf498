"""The Email model: nothing is sent until it is attached to a mail data source (``components.mail``)."""

from __future__ import annotations

from typing import Any

from tenant_runtime.errors import LoopbackError


def setup(Email: Any) -> None:
    Email.define("send", _not_connected)
    Email.define("prototype.send", _not_connected)


async def _not_connected(*arguments: Any) -> Any:
    raise LoopbackError("You must connect the Email Model to a Mail connector")
