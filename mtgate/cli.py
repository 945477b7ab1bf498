"""``mtgate``: run the daemon in the foreground, or start, stop, restart and look at one in the background.

In charge of: words and options, exit codes (0 done, 1 failed, 2 usage, 3 not running, 69 taken or not
reachable, 75 timed out, 78 configuration). Root of the daemon's process.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import trio

from mtgate import activation, background, daemon
from mtgate.settings import Flags, Settings, load
from mtgate.supervisor.desired import StateUnreadable
from mtgate.tenantdir.complaint import InvalidFile

EX_UNAVAILABLE = 69
EX_CONFIG = 78

_EPILOGUE = """exit codes: 0 done, 1 failed, 2 usage, 3 not running (status), 69 address or root taken,
75 timed out, 78 configuration wrong"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers the exit code."""
    options = parser().parse_args(arguments)
    flags = Flags(options.root, options.config, options.control, tuple(options.listen))
    activated = activation.take(os.environ, os.getpid())
    try:
        settings = load(flags, os.environ, os.geteuid())
    except InvalidFile as error:
        for complaint in error.complaints:
            print(f"mtgate: {complaint}", file=sys.stderr)
        return EX_CONFIG
    if options.foreground:
        if options.command != "start":
            return _say(f"--foreground does not go with {options.command}", 2)
        return _foreground(settings, flags, activated)
    actions = {
        "start": background.start,
        "stop": background.stop,
        "restart": background.restart,
        "status": background.status,
    }
    try:
        message = actions[options.command](settings, flags, options.timeout)
    except background.Failed as error:
        return _say(str(error), error.exit_code)
    print(message)
    return 0


def _foreground(settings: Settings, flags: Flags, activated: activation.Given) -> int:
    try:
        trio.run(daemon.run, settings, lambda: load(flags, os.environ, os.geteuid()), activated)
    except daemon.AlreadyRunning as error:
        return _say(str(error), EX_UNAVAILABLE)
    except (StateUnreadable, daemon.TooWeak) as error:
        return _say(str(error), EX_CONFIG)
    except OSError as error:
        return _say(str(error), EX_UNAVAILABLE)
    return 0


def _say(text: str, code: int) -> int:
    print(f"mtgate: {text}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Every word and option of ``mtgate``."""
    top = argparse.ArgumentParser(
        prog="mtgate",
        description="Run the gateway and its tenants. Without a command: start.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("command", nargs="?", choices=("start", "stop", "restart", "status"), default="start")
    top.add_argument("--foreground", action="store_true", help="run here, until TERM or INT")
    top.add_argument("--root", metavar="DIR", help="keep everything under this folder (MTGATE_ROOT)")
    top.add_argument("--config", metavar="FILE", help="read this mtgate.toml (MTGATE_CONFIG)")
    top.add_argument("--control", metavar="PATH", help="the control socket (MTGATE_CONTROL)")
    top.add_argument(
        "--listen", metavar="ADDR", action="append", default=[], help="host:port, [v6]:port or unix:PATH"
    )
    top.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="wait so long at most")
    return top


if __name__ == "__main__":
    sys.exit(main())
