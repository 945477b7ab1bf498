"""Answers as text for people: cells of tables, one-line results, problems.

Pure: values in, text out. Times are given relative to ``now``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

_VERBS = {
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
    "sleep": "asleep",
    "wake": "woken",
    "scale": "scaled",
    "rollback": "rolled back",
    "reset-failed": "failures forgotten",
    "add": "added",
    "remove": "removed",
}


#: Columns of ``mtctl status``.
STATUS_HEADINGS = ("ID", "STATE", "PIDS", "GEN", "SINCE", "RESTARTS", "MEMORY", "ISOLATION", "REASON")


def statuses(tenants: Sequence[dict[str, Any]], now: datetime) -> list[tuple[str, ...]]:
    """The rows of ``mtctl status``."""
    return [
        (
            one["id"],
            one["state"],
            ",".join(map(str, one["pids"])) or "-",
            str(one["generation"]),
            ago(one["since"], now),
            str(one["restarts"]),
            _memory(one),
            one.get("isolation") or "-",
            _reason(one, now),
        )
        for one in tenants
    ]


def details(one: dict[str, Any], now: datetime) -> str:
    """Everything known of one tenant."""
    rows = [
        ("state", f"{one['state']} for {ago(one['since'], now)}, wanted {one['desired']}"),
        ("reason", _reason(one, now)),
        ("address", one.get("url") or ""),
        ("folder", one.get("directory") or ""),
        ("command", " ".join(one.get("command") or [])),
        ("workers", f"{len(one['pids'])} of {one['workers']}, generation {one['generation']}"),
        ("restarts", str(one["restarts"])),
        ("isolation", one.get("isolation") or ""),
        ("awake because", one.get("busy") or ""),
        ("last exit", _last_exit(one.get("last_exit"), now)),
    ]
    lines = [one["id"], *(f"  {name:14}{text}" for name, text in rows if text)]
    for process in one.get("processes") or []:
        said = f", {process['status']}" if process.get("status") else ""
        lines.append(
            f"  pid {process['pid']:<10}worker {process['worker']}, generation {process['generation']}, "
            f"{process['state']} for {ago(process['started_at'], now)}{said}"
        )
    if one["state"] != "active" and one.get("last_exit"):
        lines += [f"    | {line}" for line in one["last_exit"].get("log_tail", [])]
    return "\n".join(lines)


def outcome(action: str, tenant_id: str, answer: dict[str, Any], seconds: float) -> str:
    """One line: what a command did."""
    tenant = answer.get("tenant") or {}
    verb = _VERBS.get(action, action)
    if answer["result"] == "already":
        text = f"{tenant_id}: nothing to do"
        text += f", {tenant['state']}" if tenant else ""
    else:
        text = f"{tenant_id}: {verb} in {seconds:.2f} s"
        text += f", {tenant['state']}" if tenant and tenant["state"] not in (verb,) else ""
    if tenant.get("pids"):
        text += f", pid {', '.join(map(str, tenant['pids']))}"
    if tenant.get("url") and tenant.get("state") in ("active", "asleep"):
        text += f", {tenant['url']}"
    return text + (f" ({answer['message']})" if answer.get("message") else "")


def problem(document: dict[str, Any]) -> str:
    """What went wrong, where, the last lines of the log, and the next step."""
    tenant = document.get("tenant")
    detail = document.get("detail", "the command failed")
    lines = [f"{tenant}: {detail}" if tenant and tenant not in detail else detail]
    for finding in document.get("errors") or []:
        place = finding.get("file", "") + (f":{finding['line']}" if finding.get("line") else "")
        place += f" at {finding['pointer']}" if finding.get("pointer") else ""
        text = f"{place}: {finding['detail']}" if place else finding["detail"]
        if text not in detail:
            lines.append(f"  {text}")
    if document.get("log_tail"):
        lines.append("  last lines of its log:")
        lines += [f"    | {line}" for line in document["log_tail"]]
    if document.get("hint"):
        lines.append(f"  next: {document['hint']}")
    return "\n".join(lines)


def log_line(line: dict[str, Any]) -> str:
    """A line of a journal."""
    mark = {"stderr": "!", "supervisor": "*"}.get(line["stream"], " ")
    return f"{line['time']} {line['generation']}.{line['worker']} {mark} {line['text']}"


def event(one: dict[str, Any]) -> str:
    """A change of state."""
    parts = [one["time"], one.get("tenant") or "mtgate", one["kind"], one.get("state") or ""]
    text = "  ".join(part for part in parts if part)
    return text + (f"  ({one['reason']})" if one.get("reason") else "")


def daemon(one: dict[str, Any], now: datetime) -> str:
    """The answer to ``ping``."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(one["tenants"].items())) or "no tenants"
    return (
        f"{one['name']} {one['version']}, pid {one['pid']}, up {ago(one['since'], now)}, {counts}, "
        f"listening on {', '.join(one['listen'])}"
    )


def ago(text: str, now: datetime) -> str:
    """How long since a time in RFC 3339, in its largest two units."""
    seconds = max(0, int((now - datetime.fromisoformat(text)).total_seconds()))
    return _span(timedelta(seconds=seconds))


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86_400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3600:02}h"


def _reason(one: dict[str, Any], now: datetime) -> str:
    text = one.get("reason") or ""
    if one.get("next_retry_at"):
        left = max(timedelta(), datetime.fromisoformat(one["next_retry_at"]) - now)
        text += (", " if text else "") + f"next try in {_span(left)}"
    return text


def _memory(one: dict[str, Any]) -> str:
    sizes = [process.get("memory_bytes") for process in one.get("processes") or []]
    known = [size for size in sizes if size]
    return f"{sum(known) / 1024 / 1024:.1f}M" if known else "-"


def _last_exit(last: dict[str, Any] | None, now: datetime) -> str:
    if not last:
        return ""
    how = f"signal {last['signal']}" if last.get("signal") else f"code {last.get('code')}"
    return f"{last['reason']}, {how}, {ago(last['at'], now)} ago"
