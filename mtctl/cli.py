"""``mtctl``: the command line of the control API.

In charge of: running the command that ``options`` names; errors → standard error and exit code. Root of the
package.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mtctl import exits
from mtctl.client import Control, Forbidden, Refused, Unreachable
from mtctl.options import parser
from mtctl.session import Session, Usage
from mtgate.paths import locate

Command = Callable[[Session, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    options = parser().parse_args(arguments)
    run = command(getattr(options, "run", "status.status"))
    if not hasattr(options, "ids"):
        options.ids = []
    paths = locate(os.environ, os.geteuid(), root=options.root, control=options.control)
    session = Session(Control(paths.control, options.timeout), options.output == "json", options.quiet)
    try:
        return run(session, options)
    except Usage as error:
        return _say(str(error), exits.USAGE)
    except Refused as error:
        return session.refuse(error)
    except Forbidden as error:
        return _say(
            f"{error}\n  next: ask for membership of the group mtgate, or use sudo", exits.NOT_PERMITTED
        )
    except Unreachable as error:
        return _say(f"{error}\n  next: {_how_to_start(options, paths.control)}", exits.UNREACHABLE)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader (head, less) has gone: what it did not want is not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE


def command(name: str) -> Command:
    """The function of a command; its module is loaded only now."""
    module, _, function = name.partition(".")
    found: Command = getattr(importlib.import_module(f"mtctl.commands.{module}"), function)
    return found


def _say(text: str, code: int) -> int:
    print(f"mtctl: {text}", file=sys.stderr)
    return code


def _how_to_start(options: argparse.Namespace, control: Path) -> str:
    if options.root or os.environ.get("MTGATE_ROOT"):
        return f'"mtgate start --root {control.parent.parent}" starts it'
    return '"mtgate start" starts it; a daemon with another root is found by --root DIR'


if __name__ == "__main__":
    sys.exit(main())
