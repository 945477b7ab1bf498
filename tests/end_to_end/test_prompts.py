"""What mtctl asks a person at a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

from tests.end_to_end.harness import PATIENCE_SECONDS, Gateway


def at_a_terminal(gateway: Gateway, arguments: list[str], dialogue: list[tuple[str, str]]) -> tuple[int, str]:
    """Run mtctl on a pseudo-terminal; type each answer when its question has appeared."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mtctl.cli", "--root", str(gateway.root), *arguments],
        env={**gateway.environ, "NO_COLOR": "1"},
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
    )
    os.close(there)
    seen, unread = "", ""
    waiting = list(dialogue)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < deadline, seen
        if not select.select([here], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(here, 4096)
        except OSError:  # EIO: the other side has closed
            break
        seen += data.decode()
        unread += data.decode()
        if waiting and waiting[0][0] in unread:
            os.write(here, waiting.pop(0)[1].encode() + b"\n")
            unread = ""
    os.close(here)
    assert not waiting, f"never asked: {waiting}\n{seen}"
    return process.wait(PATIENCE_SECONDS), seen


def test_remove_asks_first(gateway: Gateway) -> None:
    gateway.ctl("add", "careful")
    code, seen = at_a_terminal(gateway, ["remove", "careful"], [("databases are not touched", "n")])
    assert (code, "nothing was done" in seen) == (1, True)
    assert gateway.status("careful")["state"] == "active"
    code, seen = at_a_terminal(gateway, ["remove", "careful"], [("databases are not touched", "y")])
    assert (code, "careful: removed" in seen) == (0, True)
    assert not (gateway.tenants / "careful").exists()


def test_model_asks_as_loopbacks_generator_does(gateway: Gateway) -> None:
    gateway.ctl("add", "asked")
    code, seen = at_a_terminal(
        gateway,
        ["model", "asked:Customer"],
        [
            ("Data source", ""),
            ("Base class", ""),
            ("Expose via the REST API", ""),
            ("Custom plural form", "Clients"),
            ("Property name", "name"),
            ("Property type", ""),
            ("Required?", "y"),
            ("Default value", ""),
            ("Property name", "age"),
            ("Property type", "number"),
            ("Required?", ""),
            ("Default value", "18"),
            ("Property name", ""),
        ],
    )
    assert code == 0, seen
    model = json.loads((gateway.tenants / "asked/models/customer.json").read_text())
    assert model["plural"] == "Clients"
    assert model["properties"] == {
        "name": {"type": "string", "required": True},
        "age": {"type": "number", "default": 18},
    }
    gateway.ctl("restart", "asked")
    assert gateway.post("/asked/api/Clients", {"name": "Ada"}).json()["age"] == 18


def test_schema_reset_asks_first(gateway: Gateway) -> None:
    gateway.ctl("add", "table", "--no-start")
    code, seen = at_a_terminal(gateway, ["schema", "reset", "table"], [("will be lost", "n")])
    assert (code, "nothing was done" in seen) == (1, True)
