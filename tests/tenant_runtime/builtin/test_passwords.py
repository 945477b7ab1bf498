"""Hashing and checking passwords, and slowing down those who guess."""

from __future__ import annotations

from typing import Any

import pytest

from tenant_runtime.builtin import throttle
from tenant_runtime.builtin.passwords import check_rules, hash_password, is_hash, verify_password
from tenant_runtime.errors import LoopbackError

#: "secret", hashed by the original (bcryptjs, cost 4).
OF_THE_ORIGINAL = "$2a$04$DAUYBFS54BrJFqly0w3ILev8anHrC8tY5.PTqoY53Vt2xAPp48vVG"


async def test_a_hash_verifies() -> None:
    digest = await hash_password("grüße", 4)
    assert is_hash(digest)
    assert await verify_password("grüße", digest)
    assert not await verify_password("grusse", digest)


async def test_hashes_of_the_original_verify() -> None:
    assert is_hash(OF_THE_ORIGINAL)
    assert await verify_password("secret", OF_THE_ORIGINAL)
    assert await verify_password("secret", OF_THE_ORIGINAL.replace("$2a$", "$2b$"))
    assert not await verify_password("Secret", OF_THE_ORIGINAL)


@pytest.mark.parametrize("stored", [None, "", 5])
async def test_nothing_to_compare_with(stored: Any) -> None:
    assert not await verify_password("x", stored)


@pytest.mark.parametrize("plain", [None, "", 5, {"neq": "x"}, ["x"]])
async def test_no_text_never_matches(plain: Any) -> None:
    assert not await verify_password(plain, await hash_password("x", 4))


async def test_a_plain_text_in_the_store_is_compared_as_it_is() -> None:
    assert await verify_password("old", "old")
    assert not await verify_password("new", "old")


async def test_a_long_attempt_is_cut_as_bcrypt_does() -> None:
    assert await verify_password("x" * 80, await hash_password("x" * 72, 4))
    assert not await verify_password("y" * 80, await hash_password("x" * 72, 4))


@pytest.mark.parametrize(
    ("plain", "code", "message"),
    [
        ("", "INVALID_PASSWORD", "Invalid password."),
        (12, "INVALID_PASSWORD", "Invalid password."),
        ("ü" * 37, "PASSWORD_TOO_LONG", "Max length is 72 (entered 74)"),
    ],
)
def test_rules(plain: Any, code: str, message: str) -> None:
    with pytest.raises(LoopbackError) as caught:
        check_rules(plain)
    assert (caught.value.status, caught.value.code) == (422, code)
    assert message in caught.value.message


def test_failures_wait_longer_and_longer() -> None:
    guesses = throttle.Throttle()
    waits = []
    for second in range(0, 1400, 100):
        waits.append(guesses.wait_seconds("key", float(second)))
        guesses.failed("key", float(second))
    assert waits[:5] == [0] * 5
    assert waits[5:12] == [0.25, 0.5, 1, 2, 4, 8, 8]
    assert guesses.wait_seconds("other", 1400.0) == 0
    assert guesses.wait_seconds("key", 1400.0 + throttle.FORGET_AFTER_SECONDS) == 0


def test_attempts_at_once_queue_up() -> None:
    guesses = throttle.Throttle()
    for _ in range(throttle.FREE_FAILURES):
        guesses.failed("key", 0.0)
    assert [guesses.wait_seconds("key", 1.0) for _ in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert max(guesses.wait_seconds("key", 1.0) for _ in range(1000)) == throttle.MAX_WAIT_SECONDS


def test_success_forgets() -> None:
    guesses = throttle.Throttle()
    for _ in range(9):
        guesses.failed("key", 0.0)
    guesses.succeeded("key")
    assert guesses.wait_seconds("key", 0.0) == 0


def test_memory_is_bounded() -> None:
    guesses = throttle.Throttle()
    for number in range(throttle.MAX_KEYS + 10):
        guesses.failed(number, 0.0)
    assert len(guesses._keys) == throttle.MAX_KEYS
