"""The audit log: one line of JSON for each change that was asked for, refused ones too."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from mtgate.http1.message import Peer


class AuditLog:
    """Appends to one file, 0600, that nobody else writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)

    def write(
        self, peer: Peer | None, role: str, action: str, tenant: str | None, result: str, ms: float
    ) -> None:
        """One change: who, what, on which tenant, how it ended, how many milliseconds it took.

        OSError when the disk is full: the caller decides (the change has been made).
        """
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "uid": peer.uid if peer else None,
            "gid": peer.gid if peer else None,
            "pid": peer.pid if peer else None,
            "role": role,
            "action": action,
            "tenant": tenant,
            "result": result,
            "ms": round(ms, 1),
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, json.dumps(record).encode() + b"\n")
        finally:
            os.close(descriptor)
