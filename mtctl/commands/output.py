"""``logs`` and ``events``: what is said and what happens."""

from __future__ import annotations

from argparse import Namespace

from mtctl import exits, render
from mtctl.client import tenant
from mtctl.session import Session


def logs(session: Session, options: Namespace) -> int:
    """A tenant's output, going on with ``-f`` until interrupted."""
    stream = session.control.lines(tenant(options.id, "logs"), lines=options.lines, follow=options.follow)
    for line in stream:
        session.show_line(line, render.log_line(line))
    return exits.DONE


def events(session: Session, options: Namespace) -> int:
    """Changes of state from now on, until interrupted or ``--count`` of them."""
    wanted = options.id.lower() if options.id else None
    for number, event in enumerate(session.control.lines("/v1/events", tenant=wanted), 1):
        session.show_line(event, render.event(event))
        if number == options.count:
            break
    return exits.DONE
