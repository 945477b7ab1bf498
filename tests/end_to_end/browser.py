"""Headless Chromium by the DevTools protocol over a pipe: what a person with a browser would see.

https://chromedevtools.github.io/devtools-protocol/ ; messages are JSON, each ended by a zero byte, on
descriptors 3 (to the browser) and 4 (from it).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 60.0


class Page:
    """One tab."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._serial = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Go there; does not wait for what scripts do afterwards."""
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; AssertionError for an exception in it."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """Until the expression is true; answers its value."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := self.run(script)):
            shown = self.run("document.body ? document.body.innerText.slice(0, 2000) : ''")
            assert time.monotonic() < deadline, f"never true: {script}\n{shown}\n{self.errors}"
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        """A PNG of what is visible."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._serial += 1
        message = {"id": self._serial, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._serial:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._from], [], [], PATIENCE_SECONDS)
            assert readable, "the browser says nothing"
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(str(parameters["entry"].get("text")))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with one tab; ended at last."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed"
    browser_reads, to_browser = os.pipe()
    from_browser, browser_writes = os.pipe()
    switches = (
        "headless=new",
        "no-sandbox",  # the tests may run as root
        "disable-gpu",
        "disable-dev-shm-usage",
        "no-first-run",
        # the browser's own traffic is no part of the page
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "remote-debugging-pipe",
        f"user-data-dir={profile}",
        "window-size=1280,1600",
    )
    command = [program, *(f"--{switch}" for switch in switches)]
    # the shell puts the two ends where the protocol wants them; Popen alone cannot renumber descriptors
    shell = f'exec "$@" 3<&{browser_reads} 4>&{browser_writes}'
    with open(profile / "output", "wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command],
            pass_fds=(browser_reads, browser_writes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        yield Page(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        os.close(to_browser)
        os.close(from_browser)
