"""E-mail addresses: the table holds what the npm package ``isemail`` 3 (LoopBack 3's) says of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenant_runtime.builtin.email_address import is_email_address

TABLE = json.loads((Path(__file__).parent / "email_addresses.json").read_text("utf-8"))


@pytest.mark.parametrize(("text", "valid"), TABLE)
def test_as_the_original(text: str, valid: bool) -> None:
    assert is_email_address(text) is valid


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert is_email_address(text) in (True, False)
    assert not is_email_address(text + " @b.c")
