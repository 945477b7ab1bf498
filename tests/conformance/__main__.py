"""Replays the recordings: ``python -m tests.conformance [--area A] [--connector C] [--scenario GLOB] [-v]``.

Prints each scenario's result, the first failing step of it (all of them with -v), and sums. Database
servers are started for the run. Exit status 1 when a step failed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from tests.conformance.play import play
from tests.conformance.replay import Result
from tests.conformance.scenario import CONNECTORS, STAND_INS, recorded
from tests.servers.running import RunningServers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--area", action="append", default=[])
    parser.add_argument("--connector", action="append", default=[], choices=[*CONNECTORS, *STAND_INS])
    parser.add_argument("--scenario", action="append", default=[], metavar="GLOB")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at a time")
    parser.add_argument("--keep", action="store_true", help="keep the tenants' folders (with worker.log)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every failing step")
    return parser.parse_args()


def show(result: Result, verbose: bool) -> None:
    passed, failed = result.counts
    mark = "FAIL" if failed else "ok"
    print(f"{mark:4} {result.scenario.id:36} {result.connector:8} {passed}/{passed + failed}")
    if result.trouble:
        print("     " + result.trouble.rstrip().replace("\n", "\n     "))
    for step in result.steps:
        if step.on_purpose and not step.passed:
            print(f"   step {step.number} differs on purpose (docs/compatibility.md): {step.request}")
    shown = result.failed_steps if verbose else result.failed_steps[:1]
    for step in shown:
        print(f"   step {step.number}: {step.request}")
        for difference in step.differences if verbose else step.differences[:2]:
            print(f"      {difference}")
    if len(shown) < len(result.failed_steps):
        print(f"   … and {len(result.failed_steps) - len(shown)} more failing steps (-v shows them)")
    sys.stdout.flush()


def sums(results: list[Result]) -> int:
    """Print passed and failed steps by area and connector; the number that failed."""
    table: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for result in results:
        for key in (("area", result.scenario.area), ("connector", result.connector), ("steps", "in all")):
            for position, number in enumerate(result.counts):
                table[key][position] += number
    print()
    for (title, name), (passed, failed) in sorted(table.items()):
        print(f"{title:10} {name:20} {passed:5} passed {failed:5} failed")
    return table["steps", "in all"][1]


def main() -> int:
    options = arguments()
    chosen = list(recorded(areas=options.area, connectors=options.connector, patterns=options.scenario))
    if not chosen:
        print("no such scenario", file=sys.stderr)
        return 2
    servers = RunningServers.joined()
    try:
        servers.start({connector for _, connector in chosen} - {"memory", "sqlite3"})
        with ThreadPoolExecutor(options.jobs) as pool:
            results = []
            for result in pool.map(lambda one: play(*one, servers, keep=options.keep), chosen):
                show(result, options.verbose)
                results.append(result)
        return 1 if sums(results) else 0
    finally:
        servers.close()


if __name__ == "__main__":
    sys.exit(main())
