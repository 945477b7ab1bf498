"""What the zygote does to its memory before it forks."""

from __future__ import annotations

import sys

from tenant_runtime import warm


def test_fillers_are_of_every_size_that_small_objects_have() -> None:
    made = warm.fillers()
    assert {sys.getsizeof(filler) for filler in made} == set(warm.SIZES_BYTES)
    assert len(made) == len(warm.SIZES_BYTES) * warm.FILLERS
