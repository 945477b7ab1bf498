"""The Checkpoint model: one row that counts up."""

from __future__ import annotations

from typing import Any


def setup(Checkpoint: Any) -> None:
    Checkpoint.define("current", current)
    Checkpoint.define("bumpLastSeq", bump_last_seq)


async def _singleton(Checkpoint: Any) -> Any:
    checkpoint, _ = await Checkpoint.find_or_create({"limit": 1}, {"seq": 1})
    return checkpoint


async def current(Checkpoint: Any) -> int:
    """The number of the current checkpoint."""
    return int((await _singleton(Checkpoint)).seq)


async def bump_last_seq(Checkpoint: Any) -> Any:
    """Counts up by one, unless somebody else just did; returns the checkpoint."""
    checkpoint = await _singleton(Checkpoint)
    before = checkpoint.seq
    checkpoint.seq = before + 1
    await Checkpoint.update_all({"id": checkpoint.id, "seq": before}, {"seq": before + 1})
    return checkpoint
