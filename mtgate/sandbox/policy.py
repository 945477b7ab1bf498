"""What one process is given, as a value.

In charge of: the value and its form in JSON. Must not know: how it is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Policy:
    """What one process is given; every field has a meaning without privileges too.

    `covered` are folders that become empty, `kept_writable` and `kept_readable` what stays visible in them;
    the `readable` are what Landlock lets it read. `user_namespace`: as an ordinary user, private mounts need
    one.
    """

    uid: int | None = None
    gid: int | None = None
    processes: int | None = None
    open_files: int | None = None
    memory_bytes: int | None = None
    oom_score: int = 0
    die_with_parent: bool = False
    mounts: bool = False
    user_namespace: bool = False
    covered: tuple[str, ...] = ()
    private: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm")
    kept_writable: tuple[str, ...] = ()
    kept_readable: tuple[str, ...] = ()
    landlock: bool = False
    readable: tuple[str, ...] = ()
    listens: bool = False
    seccomp: bool = False
    unix_sockets: bool = True

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> Policy:
        """A policy from the zygote's request."""
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {name: value for name, value in (document or {}).items() if name in known}
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """As sent to the zygote."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
