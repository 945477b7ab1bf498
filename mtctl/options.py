"""Every word and option of ``mtctl``.

In charge of: what the command line may say, and which function of ``mtctl.commands`` does it, by name: a
command loads only what it needs. Pure.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

_EPILOGUE = """exit codes: 0 done, 1 failed, 2 usage, 4 not permitted, 5 no such tenant,
6 configuration invalid, 7 not running, 69 daemon not reachable, 75 timed out"""


def parser() -> argparse.ArgumentParser:
    """The whole command line; ``run`` is ``module.function`` below ``mtctl.commands``."""
    top = argparse.ArgumentParser(
        prog="mtctl",
        description="Control a running mtgate. Without a command: status.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common(top, None, "table", False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    def command(name: str, run: str, summary: str, *aliases: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, aliases=aliases, help=summary, description=summary)
        _common(one, argparse.SUPPRESS, argparse.SUPPRESS, argparse.SUPPRESS)
        one.set_defaults(run=run, command=name)
        return one

    command("ping", "status.ping", "Say whether the daemon answers, and who it is.")
    _membership(command)
    _actions(command)
    _looking(command)
    _applications(command)
    return top


def _common(to: argparse.ArgumentParser, none: object, table: object, off: object) -> None:
    """Options that may stand before or after the command."""
    where = to.add_mutually_exclusive_group()
    where.add_argument("--root", metavar="DIR", default=none, help="the daemon's folder (MTGATE_ROOT)")
    where.add_argument("--control", metavar="PATH", default=none, help="its control socket (MTGATE_CONTROL)")
    to.add_argument("-o", "--output", choices=("table", "json"), default=table, help="form of the answer")
    to.add_argument("-q", "--quiet", action="store_true", default=off, help="print errors only")
    to.add_argument("--timeout", type=_seconds, metavar="SECONDS", default=none, help="exit 75 after so long")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time above 0")
    return value


Adder = Callable[..., argparse.ArgumentParser]


def _membership(command: Adder) -> None:
    add = command("add", "tenants.add", "Make a tenant: scaffold an app, copy one, or adopt its folder.")
    add.add_argument("id", metavar="ID", help="letters and digits")
    add.add_argument(
        "--from", dest="source", metavar="APPDIR", help="copy this app (flat, or LoopBack 3 project)"
    )
    add.add_argument("--no-start", action="store_true", help="do not start it")
    bring = command("import", "imports.import_app", "Bring a LoopBack 2 or 3 project over as a tenant.")
    bring.add_argument("source", metavar="DIR", help="the project (server/ and common/, or flat)")
    bring.add_argument("--as", dest="id", metavar="ID", required=True, help="the tenant's id")
    bring.add_argument("--start", action="store_true", help="start it at once")
    remove = command("remove", "tenants.remove", "Stop a tenant; delete its folder and state.", "delete")
    remove.add_argument("id", metavar="ID")
    remove.add_argument("-y", "--yes", action="store_true", help="do not ask")
    remove.add_argument("--keep-files", action="store_true", help="leave its folder")


def _actions(command: Adder) -> None:
    for name, summary in (
        ("start", "Start tenants and wait until they are ready."),
        ("stop", "Drain and stop tenants."),
        ("restart", "Start a new process beside the old one and switch when it is ready."),
        ("sleep", "End processes until the next request."),
        ("wake", "Start sleeping tenants."),
        ("reset-failed", "Forget failures, so that a failed tenant may start again."),
    ):
        one = command(name, "tenants.act", summary)
        one.add_argument("ids", metavar="ID", nargs="*")
        one.add_argument("--all", action="store_true", help="all tenants")
        if name == "restart":
            one.add_argument("--hard", action="store_true", help="stop the old process first")
    scale = command("scale", "tenants.scale", "Change the number of a tenant's workers.")
    scale.add_argument("id", metavar="ID")
    scale.add_argument("workers", metavar="N", type=int)
    rollback = command("rollback", "tenants.rollback", "Go back to an earlier revision of a tenant's folder.")
    rollback.add_argument("id", metavar="ID")
    rollback.add_argument("--to", type=int, metavar="REVISION", help="the one before when not given")


def _looking(command: Adder) -> None:
    looking = command("status", "status.status", "Show all tenants, or everything about some.")
    looking.add_argument("ids", metavar="ID", nargs="*")
    logs = command("logs", "output.logs", "Show a tenant's output.")
    logs.add_argument("id", metavar="ID")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    logs.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="so many of the last lines")
    events = command("events", "output.events", "Show changes of state as they happen.")
    events.add_argument("id", metavar="ID", nargs="?")
    events.add_argument("--count", type=int, metavar="N", help="end after so many")
    command("routes", "status.routes", "Show what the gateway sends where.")


def _applications(command: Adder) -> None:
    one = command("model", "model.model", "Add a model, or properties to one; asks on a terminal.")
    one.add_argument("model", metavar="ID:Name")
    one.add_argument("--property", action="append", default=[], metavar="NAME:TYPE[:required]")
    one.add_argument("--datasource", metavar="NAME", help="db, or the only one, when not given")
    one.add_argument("--base", default="PersistedModel", metavar="MODEL")
    one.add_argument("--plural", metavar="WORD", help="its name in URLs")
    one.add_argument("--private", action="store_true", help="do not serve it over REST")
    tables = command("schema", "schema.schema", "Plan, apply, reset or discover a tenant's tables.")
    tables.add_argument("action", choices=("plan", "apply", "reset", "discover"))
    tables.add_argument("id", metavar="ID")
    tables.add_argument("--model", action="append", default=[], metavar="NAME", help="only this model")
    tables.add_argument(
        "--table", action="append", default=[], metavar="NAME", help="discover: only this table"
    )
    tables.add_argument("--datasource", metavar="NAME", help="only this data source")
    tables.add_argument("--drop", action="store_true", help="also drop what the models no longer have")
    tables.add_argument("-y", "--yes", action="store_true", help="reset: do not ask")
