"""Signals are read, in order of their numbers, and outlive the program that they were sent to."""

from __future__ import annotations

import subprocess
import sys

TWO_SIGNALS = """
import os, signal, trio
from mtgate.signals import Signals

async def run():
    with Signals([signal.SIGTERM, signal.SIGHUP]) as signals:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert [await anext(signals), await anext(signals)] == [signal.SIGHUP, signal.SIGTERM]
        with trio.move_on_after(0) as nothing_more:
            await anext(signals)
        assert nothing_more.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, os.kill, os.getpid(), signal.SIGHUP)
            assert await anext(signals) is signal.SIGHUP

trio.run(run)
"""
REPLACED = """
import os, signal, sys, threading, trio
from mtgate.signals import Signals

async def run():
    with Signals([signal.SIGTERM]) as signals:
        if sys.argv[1:] == ["anew"]:
            print((await anext(signals)).name)
            return
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        os.kill(os.getpid(), signal.SIGTERM)
        os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], "anew"])

trio.run(run)
"""


def output(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def test_signals_are_read_one_by_one() -> None:
    assert output(TWO_SIGNALS) == ""


def test_a_signal_outlives_its_program_whatever_threads_that_has() -> None:
    """A thread must not take it: what it took would be gone."""
    assert output(REPLACED) == "SIGTERM\n"
