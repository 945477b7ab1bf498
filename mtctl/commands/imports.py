"""``mtctl import``: a LoopBack 2 or 3 project becomes a tenant."""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from mtctl import exits, render
from mtctl.appimport.project import Report, bring_over
from mtctl.session import Session
from mtgate.tenantdir.complaint import InvalidFile


def import_app(session: Session, options: Namespace) -> int:
    """Translate a copy of the project, add it, and list what is left to do.

    It is not started unless asked for: its code is not there yet.
    """
    with tempfile.TemporaryDirectory(prefix="mtctl-import-") as work:
        copy = Path(work) / "app"
        copy.mkdir(mode=0o755)
        try:
            report = bring_over(Path(options.source).absolute(), copy)
        except InvalidFile as error:
            print(f"mtctl: import {options.source}: {error}", file=sys.stderr)
            return exits.INVALID_CONFIGURATION
        began = time.monotonic()
        body = {"id": options.id, "start": options.start, "source": str(copy)}
        answer = session.control.act("POST", "/v1/tenants", body)
    line = render.outcome("import", options.id.lower(), answer, time.monotonic() - began)
    session.show(
        {**answer, "import": asdict(report)}, "\n".join([line, *_summary(options.id.lower(), report)])
    )
    return exits.DONE


def _summary(tenant_id: str, report: Report) -> list[str]:
    """The report for people: what was done, then what is left."""
    lines = [f"  loopback {report.loopback}"] if report.loopback else []
    for title, entries in (
        ("translated", report.translated),
        ("Python written", report.written),
        ("left out", report.left_out),
        ("left to do", report.todo),
    ):
        if entries:
            lines += [f"  {title} ({len(entries)}):", *(f"    {entry}" for entry in entries)]
    last = f'"mtctl start {tenant_id}" starts it; what is left is reported at each start'
    return [*lines, f"  next: {last}" if report.todo else f'  next: "mtctl start {tenant_id}"']
