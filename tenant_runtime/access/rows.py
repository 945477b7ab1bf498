"""The rows of the ACL model, read once and kept for a moment.

In charge of: which stored entries may concern a request, without asking the database for each request.
Changes made by this worker count at once; those made elsewhere within ``REFRESH_SECONDS``. Must not know: how
entries are weighed.
"""

from __future__ import annotations

from typing import Any

import trio

from tenant_runtime.access import acl

REFRESH_SECONDS = 1.0
#: With more rows than these the database is asked for each request, as in the original.
MAX_ROWS = 1000


class StoredEntries:
    """The entries of one ACL model. Asking costs no await in the usual case: the rows are there."""

    def __init__(self, rules: Any) -> None:
        self.rules = rules
        self._entries: list[acl.Entry] = []
        self._good_until = -1.0
        self._too_many = False
        rules.observe("after save", self._forget)
        rules.observe("after delete", self._forget)

    def _forget(self, context: Any) -> None:
        self._good_until = -1.0

    async def matching(self, request: acl.AccessRequest) -> list[acl.Entry]:
        if trio.current_time() >= self._good_until:
            await self._read()
        if self._too_many:
            rows = await self.rules.find({"where": acl.dynamic_entries_where(request)})
            return [acl.make_entry(row.to_object()) for row in rows]
        return [entry for entry in self._entries if acl.may_concern(entry, request)] if self._entries else []

    async def _read(self) -> None:
        until = trio.current_time() + REFRESH_SECONDS
        rows = await self.rules.find({"limit": MAX_ROWS + 1})
        # A row without one of these is found by no query: the original asks for the names, or for "*".
        whole = [row for row in rows if row["model"] and row["property"] and row["accessType"]]
        self._entries = [acl.make_entry(row.to_object()) for row in whole]
        self._too_many = len(rows) > MAX_ROWS
        self._good_until = until
