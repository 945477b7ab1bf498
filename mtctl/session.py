"""One run of ``mtctl``: the daemon it talks to, how it prints, how it asks.

In charge of: standard output, error and input. Must not know: any one command.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mtctl import exits, render
from mtctl.client import Control, Refused


class Usage(Exception):
    """The command line cannot mean what it says. Exit code 2."""


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is given."""

    control: Control
    json: bool
    quiet: bool = False

    def show(self, document: Any, text: str) -> None:
        """The answer: the document as JSON, or the text."""
        if self.json:
            print(json.dumps(document, indent=2, ensure_ascii=False))
        elif text and not self.quiet:
            print(text)

    def show_line(self, document: Any, text: str) -> None:
        """One element of a stream, at once."""
        print(json.dumps(document, ensure_ascii=False) if self.json else text, flush=True)

    def refuse(self, error: Refused) -> int:
        """Say why on standard error; answers the exit code."""
        print(f"mtctl: {render.problem(error.problem)}", file=sys.stderr)
        return exits.of_problem(error.code)

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return sys.stdin.isatty() and sys.stdout.isatty() and not self.json

    def ask(self, question: str, default: str = "") -> str:
        """A line from the person; ``default`` for an empty one or the end of input."""
        try:
            answer = input(f"{question} [{default}]: " if default else f"{question}: ").strip()
        except EOFError:
            answer = ""
        return answer or default

    def confirm(self, question: str) -> bool:
        """Whether the person says yes; no is the default."""
        return self.ask(f"{question} [y/N]").lower() in ("y", "yes")


def terminal_width() -> int | None:
    """Columns of the terminal; None where the output is not one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
