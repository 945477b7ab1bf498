"""``ping``, ``status``, ``routes``: what there is."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from mtctl import exits, render, tables
from mtctl.client import Refused, tenant
from mtctl.session import Session, now, terminal_width


def ping(session: Session, options: Namespace) -> int:
    """Whether a daemon answers."""
    answer = session.control.get("/v1")
    session.show(answer, render.daemon(answer, now()))
    return exits.DONE


def status(session: Session, options: Namespace) -> int:
    """A table of all tenants, or everything about those named."""
    if not options.ids:
        tenants = session.control.get("/v1/tenants")
        if tenants:
            _show_table(session, tenants, render.STATUS_HEADINGS, render.statuses(tenants, now()))
        else:
            session.show(tenants, 'no tenants; "mtctl add ID" makes one')
        return exits.DONE
    found, code = [], exits.DONE
    for tenant_id in options.ids:
        try:
            found.append(session.control.get(tenant(tenant_id)))
        except Refused as refused:
            code = max(code, session.refuse(refused))
    session.show(found, "\n".join(render.details(one, now()) for one in found))
    return code


def routes(session: Session, options: Namespace) -> int:
    """What the gateway sends where."""
    found = session.control.get("/v1/routes")
    rows = [
        (one["prefix"], one["id"], one["state"], ", ".join(one["hosts"]) or "-", one["socket"])
        for one in found
    ]
    _show_table(session, found, ("PREFIX", "TENANT", "STATE", "HOSTS", "SOCKET"), rows)
    return exits.DONE


def _show_table(
    session: Session, document: Any, headings: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    if session.json:
        session.show(document, "")
    elif not session.quiet:
        tables.show(headings, rows, sys.stdout, terminal_width())
