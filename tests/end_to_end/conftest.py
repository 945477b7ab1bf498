"""A started daemon for each module, one to start oneself for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.harness import Gateway, new_gateway


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Running, shared by the tests of a module: each uses tenants of its own."""
    with new_gateway() as one:
        one.start()
        yield one


@pytest.fixture
def own_gateway() -> Iterator[Gateway]:
    """Not started, of this test alone."""
    with new_gateway() as one:
        yield one
