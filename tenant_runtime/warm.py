"""Makes the zygote as a worker is after its first requests, so that forks share that memory.

In charge of: booting a small app on SQLite and asking it, in a folder of its own that is gone afterwards;
setting up what every worker does alike, such as logging; filling the gaps between what is shared. Must not
leave a thread, a connection or a descriptor behind: the zygote forks next. Measured: docs/performance.md.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import trio

from mtgate.tenantdir.template import application
from tenant_runtime.boot.start import boot
from tenant_runtime.worker import Lifeline, Worker, configure_logging

ROUNDS = 40
#: So often it is booted: the interpreter adapts code when it has run a few times.
BOOTS = 5
#: So many of each size that the allocator of Python keeps pages for; more than this gains nothing.
FILLERS = 400
SIZES_BYTES = range(48, 513, 16)
#: Tenants wait for the first zygote: no longer than this.
LIMIT_SECONDS = 8.0

#: Added to what `mtctl add` scaffolds: a SQL store and two related models on it.
MODELS: dict[str, Any] = {
    "Shelf": {"books": {"type": "hasMany", "model": "Book", "foreignKey": "shelfId"}},
    "Book": {"shelf": {"type": "belongsTo", "model": "Shelf", "foreignKey": "shelfId"}},
}
PROPERTIES = {"name": "string", "title": "string", "pages": "number", "bought": "date"}


def files() -> dict[str, str]:
    """The app's files by path."""
    found = application()
    config = json.loads(found["model-config.json"])
    sources = json.loads(found["datasources.json"])
    sources["warm"] = {"name": "warm", "connector": "sqlite3", "file": "warm.db"}
    for name, relations in MODELS.items():
        config[name] = {"dataSource": "warm", "public": True}
        definition = {
            "name": name,
            "base": "PersistedModel",
            "properties": PROPERTIES,
            "relations": relations,
        }
        found[f"models/{name.lower()}.json"] = json.dumps(definition)
    return {**found, "model-config.json": json.dumps(config), "datasources.json": json.dumps(sources)}


#: No login: bcrypt runs in one of trio's own threads, which live on for ten idle seconds.
REQUESTS = (
    ("POST", "/api/Shelves", {"name": "first"}),
    ("POST", "/api/Books", {"title": "one", "pages": 3, "shelfId": 1}),
    (
        "GET",
        '/api/Books?filter={"where":{"pages":{"gt":1}},"order":"title","limit":5,"include":"shelf"}',
        None,
    ),
    ("GET", "/api/Shelves/1/books", None),
    ("PATCH", "/api/Books/1", {"pages": 4}),
    ("GET", "/api/Books/count", None),
    ("GET", "/api/Books/77", None),
    ("DELETE", "/api/Books/1", None),
    ("GET", "/explorer/swagger.json", None),
)


def warm() -> None:
    """Boots and asks; what goes wrong here is the tenants' to see, not a reason to have no zygote."""
    configure_logging()
    logging.disable(logging.CRITICAL)
    before = os.getcwd()
    try:
        with tempfile.TemporaryDirectory(prefix="mtgate-warm-") as name:
            folder = Path(name)
            for path, text in files().items():
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_text(text)
            os.chdir(folder)
            try:
                for rounds in (ROUNDS, *[1] * BOOTS):
                    trio.run(_within_limit, folder, rounds)
            finally:
                os.chdir(before)
    finally:
        logging.disable(logging.NOTSET)


def fillers() -> list[bytes]:
    """Takes the free places between the objects that are there; they are taken as long as the list is kept.

    What a fork makes first would else go into such places, one here and one there, and each would unshare a
    page.
    """
    own = sys.getsizeof(b"")
    return [bytes(size - own) for size in SIZES_BYTES for _ in range(FILLERS)]


async def _within_limit(folder: Path, rounds: int) -> None:
    with trio.move_on_after(LIMIT_SECONDS):
        await _serve_and_ask(folder, rounds)


async def _serve_and_ask(folder: Path, rounds: int) -> None:
    app, _ = await boot(folder)
    if rounds == ROUNDS:
        for data_source in app.data_sources.values():
            await data_source.autoupdate()
    path = folder / "s"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        worker = Worker(app, Lifeline(None))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.run, listener.dup())
            for number in range(rounds):
                await _ask(str(path), REQUESTS if number % 10 == 0 else REQUESTS[:-2])
            worker.stop()


async def _ask(path: str, requests: tuple[tuple[str, str, Any], ...]) -> None:
    """One connection, one request after the other, as a proxy does."""
    async with await trio.open_unix_socket(path) as stream:
        for method, target, document in requests:
            body = json.dumps(document).encode() if document is not None else b""
            target = target.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
            head = f"{method} {target} HTTP/1.1\r\nHost: warm\r\nContent-Type: application/json\r\n"
            await stream.send_all(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            with trio.move_on_after(5):
                await stream.receive_some(1 << 20)
