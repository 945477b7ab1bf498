"""Changes of state, told to whoever listens.

In charge of: serial numbers and slow listeners (they lose the oldest). Must not know: who listens, or why.
"""

from __future__ import annotations

from datetime import UTC, datetime

import trio

from mtgate.control.schema import Event

BUFFERED = 1000


class Events:
    """The hub of one daemon."""

    def __init__(self) -> None:
        self._serial = 0
        self._listeners: set[trio.MemorySendChannel[Event]] = set()

    @property
    def serial(self) -> int:
        """Of the last change."""
        return self._serial

    def tell(
        self,
        kind: str,
        tenant: str | None = None,
        state: str | None = None,
        generation: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Makes an event; costs a number when nobody listens."""
        self._serial += 1
        if not self._listeners:
            return
        event = Event.model_validate(
            {
                "serial": self._serial,
                "time": datetime.now(UTC),
                "kind": kind,
                "tenant": tenant,
                "state": state,
                "generation": generation,
                "reason": reason,
            }
        )
        for listener in list(self._listeners):
            try:
                listener.send_nowait(event)
            except trio.WouldBlock:
                continue
            except trio.BrokenResourceError:
                self._listeners.discard(listener)

    def listen(self) -> trio.MemoryReceiveChannel[Event]:
        """Events from now on, until the channel is closed."""
        send, receive = trio.open_memory_channel[Event](BUFFERED)
        self._listeners.add(send)
        return receive
