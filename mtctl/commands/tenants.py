"""What is done with a tenant as a whole: ``add`` and ``remove``, ``start`` and ``stop``, and their kin."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mtctl import exits, render
from mtctl.client import Refused, tenant
from mtctl.session import Session, Usage

#: Tenants that one command works on at a time.
_PARALLEL = 8


def add(session: Session, options: Namespace) -> int:
    """Scaffold, copy or adopt, then start."""
    source = os.path.abspath(options.source) if options.source else None
    body = {"id": options.id, "start": not options.no_start, "source": source}
    began = time.monotonic()
    answer = session.control.act("POST", "/v1/tenants", body)
    session.show(answer, render.outcome("add", options.id.lower(), answer, time.monotonic() - began))
    return exits.DONE


def remove(session: Session, options: Namespace) -> int:
    """Stop and delete; asks first when there is somebody to ask."""
    status = session.control.get(tenant(options.id))
    if session.interactive and not options.yes:
        folder = "its folder stays" if options.keep_files else f"{status['directory']} will be deleted"
        question = f"Remove {status['id']} ({status['state']})? {folder}; databases are not touched."
        if not session.confirm(question):
            print("nothing was done")
            return exits.FAILED
    began = time.monotonic()
    answer = session.control.act("DELETE", tenant(options.id), keep_files=options.keep_files)
    session.show(answer, render.outcome("remove", status["id"], answer, time.monotonic() - began))
    return exits.DONE


def act(session: Session, options: Namespace) -> int:
    """One action on each tenant named; the highest exit code is the command's."""
    ids = _wanted(session, options)
    body = {"hard": True} if getattr(options, "hard", False) else None

    def one(tenant_id: str) -> tuple[str, dict[str, Any] | Refused, float]:
        began = time.monotonic()
        try:
            answer = session.control.act("POST", tenant(tenant_id, options.command), body)
        except Refused as refused:
            return tenant_id, refused, 0.0
        return tenant_id, answer, time.monotonic() - began

    results = _each(one, ids)
    code = exits.DONE
    for tenant_id, answer, seconds in results:
        if isinstance(answer, Refused):
            code = max(code, session.refuse(answer))
        elif not session.json:
            session.show(answer, render.outcome(options.command, tenant_id.lower(), answer, seconds))
    if session.json:
        session.show([r.problem if isinstance(r, Refused) else r for _, r, _ in results], "")
    return code


def _wanted(session: Session, options: Namespace) -> list[str]:
    if options.all:
        if options.ids:
            raise Usage("--all and ids exclude each other")
        return [one["id"] for one in session.control.get("/v1/tenants")]
    if not options.ids:
        raise Usage(f"{options.command}: name at least one tenant, or --all")
    return list(dict.fromkeys(options.ids))


def _each(
    one: Callable[[str], tuple[str, dict[str, Any] | Refused, float]], ids: list[str]
) -> list[tuple[str, dict[str, Any] | Refused, float]]:
    if len(ids) <= 1:
        return [one(tenant_id) for tenant_id in ids]
    with ThreadPoolExecutor(min(_PARALLEL, len(ids))) as pool:
        return list(pool.map(one, ids))


def scale(session: Session, options: Namespace) -> int:
    """Another number of workers."""
    return _single(session, options, {"workers": options.workers})


def rollback(session: Session, options: Namespace) -> int:
    """An earlier revision of the tenant's folder."""
    return _single(session, options, {"to": options.to})


def _single(session: Session, options: Namespace, body: dict[str, Any]) -> int:
    began = time.monotonic()
    answer = session.control.act("POST", tenant(options.id, options.command), body)
    session.show(
        answer, render.outcome(options.command, options.id.lower(), answer, time.monotonic() - began)
    )
    return exits.DONE
