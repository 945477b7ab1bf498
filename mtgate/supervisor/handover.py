"""What one program leaves to the next in the same process: descriptors by number, and what they are.

In charge of: the document and its way through exec(2), a memory file whose number is in the environment. Must
not know: who makes sense of it. Descriptors named here stay open over the exec; all others close by
themselves.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

VARIABLE = "MTGATE_HANDOVER_FD"
VERSION = 1


@dataclass(slots=True)
class WorkerRecord:
    """A running worker; descriptors are numbers. `serves` is false for one that is being retired."""

    pid: int
    generation: int
    number: int
    pidfd: int
    lifeline: int
    stdout: int
    stderr: int
    listens: bool
    serves: bool
    started_at: str


@dataclass(slots=True)
class TenantRecord:
    """A tenant's socket, and what runs on it."""

    listener: int
    state: str
    reason: str | None
    restarts: int
    workers: list[WorkerRecord] = field(default_factory=list)


@dataclass(slots=True)
class Handover:
    """Everything: `public` by address, `proxies` as (pid, feed)."""

    lock: int
    control: int
    public: dict[str, int]
    proxies: list[tuple[int, int]]
    tenants: dict[str, TenantRecord]

    def descriptors(self) -> list[int]:
        """Every number in it."""
        found = [self.lock, self.control, *self.public.values(), *(feed for _, feed in self.proxies)]
        for tenant in self.tenants.values():
            found.append(tenant.listener)
            for worker in tenant.workers:
                found += [worker.pidfd, worker.lifeline, worker.stdout, worker.stderr]
        return found


def replace_program(
    handover: Handover, program: str, arguments: list[str], environ: MutableMapping[str, str]
) -> None:
    """Executes the program with everything handed over; returns only by OSError, with nothing changed."""
    memory = os.memfd_create("mtgate-handover", 0)
    try:
        document = {"version": VERSION, **dataclasses.asdict(handover)}
        os.write(memory, json.dumps(document).encode())
        os.lseek(memory, 0, os.SEEK_SET)
        for descriptor in (*handover.descriptors(), memory):
            os.set_inheritable(descriptor, True)
        os.execve(program, arguments, {**environ, VARIABLE: str(memory)})
    finally:
        for descriptor in handover.descriptors():
            os.set_inheritable(descriptor, False)
        os.close(memory)


def receive(environ: MutableMapping[str, str]) -> Handover | None:
    """What the program before left; None when this is a start from nothing. Takes the variable away."""
    number = environ.pop(VARIABLE, None)
    if number is None:
        return None
    with open(int(number), encoding="utf-8") as file:
        document = json.load(file)
    handover = parse(document)
    for descriptor in handover.descriptors():
        os.set_inheritable(descriptor, False)
    return handover


def parse(document: dict[str, Any]) -> Handover:
    """The document as values; a version that is not ours is a ValueError."""
    if document.pop("version") != VERSION:
        raise ValueError("handed over by another version of mtgate; stop it and start anew")
    tenants = {
        name: TenantRecord(**{**record, "workers": [WorkerRecord(**worker) for worker in record["workers"]]})
        for name, record in document.pop("tenants").items()
    }
    proxies = [(pid, feed) for pid, feed in document.pop("proxies")]
    return Handover(**document, proxies=proxies, tenants=tenants)
