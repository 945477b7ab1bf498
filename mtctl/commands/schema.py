"""``schema``: show, make, reset or discover the tables of a tenant's models."""

from __future__ import annotations

import sys
from argparse import Namespace

from mtctl import exits
from mtctl.client import tenant
from mtctl.session import Session, Usage

#: sysexits(3) EX_CONFIG: what the runtime's programs answer for a wrong file.
_EX_CONFIG = 78


def schema(session: Session, options: Namespace) -> int:
    """Run the action in the tenant's own environment and print what it says."""
    if options.action == "reset" and not options.yes:
        question = f"Drop and recreate the tables of {options.id}? All their data will be lost."
        if not session.interactive:
            raise Usage("schema reset deletes data; say --yes")
        if not session.confirm(question):
            print("nothing was done")
            return exits.FAILED
    body = {
        "models": options.model,
        "tables": options.table,
        "data_source": options.datasource,
        "drop": options.drop,
    }
    answer = session.control.act("POST", tenant(options.id, f"schema/{options.action}"), body)
    session.show(answer, answer["output"].rstrip("\n"))
    if answer["errors"]:
        print(answer["errors"].rstrip("\n"), file=sys.stderr)
    if answer["exit_code"] == _EX_CONFIG:
        return exits.INVALID_CONFIGURATION
    return exits.FAILED if answer["exit_code"] else exits.DONE
