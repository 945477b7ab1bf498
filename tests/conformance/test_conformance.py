"""Every recorded exchange of LoopBack 3, on a real worker, on every connector that it was recorded on, and on
the SQL stores that must answer as MySQL does."""

from __future__ import annotations

import pytest

from tests.conformance.play import play
from tests.conformance.scenario import DIFFERENT, Scenario, recorded
from tests.servers.running import RunningServers

CASES = [case for case in recorded() if case[1] not in DIFFERENT.get(case[0].id, {})]


@pytest.mark.parametrize(
    ("scenario", "connector"),
    [pytest.param(*case, id=f"{case[0].id}-{case[1]}") for case in CASES],
)
def test_scenario(scenario: Scenario, connector: str, servers: RunningServers) -> None:
    result = play(scenario, connector, servers)
    assert not result.trouble, result.trouble
    failures = [
        f"step {step.number}: {step.request}\n" + "\n".join(f"    {found}" for found in step.differences)
        for step in result.failed_steps
    ]
    assert not failures, "\n".join(failures)
