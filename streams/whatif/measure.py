"""Every method measured alike: cumulative error = leads received - fair shares.

In: the steps of a method on a channel. Out: per member what they received, were due and are off by
at the end; over time the largest error of anybody, after every step. Exact: all errors of a channel
are whole numerators over one denominator.

The sum runs over a member's whole time in the history. What Partidor settles when somebody leaves
is not in it (the errors that it carries, with that settled, stand in `Course`); what a correction
moved is, for all methods alike, as a fair share that is smaller or larger.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from streams.whatif.course import Step


class Largest(NamedTuple):
    """The largest error of anybody, either way, after a step.

    `error` is a numerator over the outcome's `denominator`; `assignee_id` is "" while it is 0.
    """

    at_ms: int
    error: int
    assignee_id: str


@dataclass(frozen=True)
class Outcome:
    """What a method came to.

    Attributes:
        received: leads by assignee_id; everybody who was ever due any or got any.
        due: fair shares, numerators over `denominator`; their sum is that of the leads.
        over_time: after each step.
        steps: that were measured.
    """

    method: str
    denominator: int
    received: dict[str, int]
    due: dict[str, int]
    over_time: list[Largest]
    steps: Sequence[Step]

    @property
    def largest(self) -> Largest:
        """The largest error of all, at its first time."""
        nothing = Largest(0, 0, "")
        return max(self.over_time, key=lambda each: abs(each.error), default=nothing)

    def leads(self, number: int) -> Fraction:
        """A numerator as leads."""
        return Fraction(number, self.denominator)

    def error(self, assignee_id: str) -> Fraction:
        """A member's cumulative error at the end, in leads."""
        received = self.received[assignee_id] * self.denominator
        return self.leads(received - self.due[assignee_id])

    def errors_over_time(self, assignee_id: str) -> list[tuple[int, int]]:
        """(milliseconds since 1970, numerator over `denominator`) of a member after each step."""
        error = 0
        found = []
        for step in self.steps:
            due = step.due.get(assignee_id, 0) * (self.denominator // step.denominator)
            error += step.assigned.get(assignee_id, 0) * self.denominator - due
            found.append((step.at_ms, error))
        return found

    def between(self, assignee_id: str, from_ms: int, to_ms: int) -> tuple[int, Fraction]:
        """What a member received and was due in a time, its end left out; leads."""
        own = [step for step in self.steps if from_ms <= step.at_ms < to_ms]
        received = sum(step.assigned.get(assignee_id, 0) for step in own)
        due = sum(
            step.due.get(assignee_id, 0) * (self.denominator // step.denominator) for step in own
        )
        return received, self.leads(due)


def measured(method: str, steps: Sequence[Step]) -> Outcome:
    """Sum up the steps of a method."""
    denominator = lcm(*{step.denominator for step in steps})
    names = sorted({name for step in steps for name in (*step.due, *step.assigned)})
    errors = dict.fromkeys(names, 0)
    received: Counter[str] = Counter()
    over_time: list[Largest] = []
    for step in steps:
        scale = denominator // step.denominator
        for name, due in step.due.items():
            errors[name] -= due * scale
        for name, count in step.assigned.items():
            errors[name] += count * denominator
            received[name] += count
        over_time.append(_largest(step.at_ms, errors))
    return Outcome(
        method,
        denominator,
        {name: received[name] for name in names},
        {name: received[name] * denominator - errors[name] for name in names},
        over_time,
        steps,
    )


def _largest(at_ms: int, errors: dict[str, int]) -> Largest:
    name = max(errors, key=lambda each: abs(errors[each]), default="")
    error = errors.get(name, 0)
    return Largest(at_ms, error, name if error else "")
