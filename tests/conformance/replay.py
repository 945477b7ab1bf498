"""Plays a scenario's requests and says which answers differ from the recorded ones."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.exchange import Answer, Target, send, shown
from tests.conformance.matching import Comparison, Difference
from tests.conformance.scenario import ON_PURPOSE, Scenario, expected
from tests.conformance.variables import Variables


@dataclass
class StepResult:
    number: int  # from 1
    request: str
    differences: list[Difference]
    quirk: bool  # the recording says that a better server would not answer so: not counted
    on_purpose: bool  # docs/compatibility.md says why it differs

    @property
    def passed(self) -> bool:
        return not self.differences


@dataclass
class Result:
    scenario: Scenario
    connector: str
    steps: list[StepResult] = field(default_factory=list)
    trouble: str = ""  # why the tenant could not be started

    @property
    def failed_steps(self) -> list[StepResult]:
        """Steps that differ and should not, and those listed as different that no longer are."""
        return [step for step in self.steps if not step.quirk and step.passed is step.on_purpose]

    @property
    def counts(self) -> tuple[int, int]:
        """(passed, failed), without what differs on purpose; all fail when the tenant did not start."""
        answers = [expected(step, self.connector) for step in self.scenario.steps]
        total = sum(answer is not None and not answer.get("quirk") for answer in answers)
        if self.trouble:
            return 0, total
        total -= sum(step.on_purpose for step in self.steps)
        return total - len(self.failed_steps), len(self.failed_steps)


def replay(scenario: Scenario, connector: str, target: Target) -> Result:
    """All steps recorded for the connector; a step that fails does not stop the others."""
    result = Result(scenario, connector)
    variables = Variables()
    for number, step in enumerate(scenario.steps, 1):
        wanted = expected(step, connector)
        if wanted is None:
            continue
        request = shown(step, variables)
        try:
            answer = send(target, step, variables)
        except (OSError, http.client.HTTPException) as error:
            differences = [Difference("request", "an answer", f"{type(error).__name__}: {error}")]
        else:
            capture(step, answer, variables)
            differences = compare(step, wanted, answer, variables, target.prefix)
        on_purpose = number in ON_PURPOSE.get(scenario.id, ())
        result.steps.append(StepResult(number, request, differences, bool(wanted.get("quirk")), on_purpose))
    return result


def compare(
    step: dict[str, Any], wanted: dict[str, Any], answer: Answer, variables: Variables, prefix: str
) -> list[Difference]:
    if wanted.get("lenient") == "error" and answer.status >= 400:
        return []
    comparison = Comparison(step, variables, prefix)
    if wanted["status"] != answer.status:
        comparison.differ("status", wanted["status"], answer.status)
    comparison.compare_headers(wanted.get("headers") or {}, answer.headers)
    if "body" in wanted:
        comparison.compare(wanted["body"], answer.body)
    elif wanted.get("empty") and answer.raw:
        comparison.differ("", "an empty body", answer.body)
    return comparison.differences


def capture(step: dict[str, Any], answer: Answer, variables: Variables) -> None:
    for name, place in (step.get("capture") or {}).items():
        try:
            if place.startswith("header:"):
                variables[name] = answer.headers[place[len("header:") :]]
            else:
                variables[name] = at_pointer(answer.body, place)
        except (KeyError, IndexError, TypeError, ValueError):
            continue  # not there: what uses it will differ


def at_pointer(document: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document
