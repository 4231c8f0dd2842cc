"""What a verification has to say: a check for each thing that must hold, with what was found.

In: how often each was looked at, what was wrong and where, and what could not be told. Out: a
report, as a table's rows and as plain values. Pure.

What could not be looked at (a log whose beginning retention has cut off, a copy that isn't there)
is counted with its reason, and never called fine.
"""

from collections import Counter
from typing import Any, Final, NamedTuple

FINDINGS_MAX: Final = 5
"""Of each check, as they are listed; all are counted."""


class Where(NamedTuple):
    """What a finding is about, as far as it is known."""

    channel: str | None = None
    batch_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


class Finding(NamedTuple):
    """Something that is not as it has to be."""

    what: str
    where: Where

    def __str__(self) -> str:
        """For people: a line."""
        names = {"channel": self.where.channel, "batch": self.where.batch_id}
        parts = [f"{name} {value}" for name, value in names.items() if value is not None]
        if self.where.topic is not None:
            place = f"{self.where.topic}-{self.where.partition}"
            at = f"@{self.where.offset}" if self.where.offset is not None else ""
            parts.append(place + at)
        return f"{self.what} ({', '.join(parts)})" if parts else self.what

    def as_object(self) -> dict[str, Any]:
        """As JSON shows it; what isn't known is left out."""
        known = {name: value for name, value in self.where._asdict().items() if value is not None}
        return {"what": self.what, **known}


class Check:
    """One thing that must hold.

    Attributes:
        checked: how often it was looked at.
        faults: how often it didn't hold; the first of them are `findings`.
        not_told: how often it could not be told, by reason.
    """

    def __init__(self, name: str, says: str, findings_max: int = FINDINGS_MAX) -> None:
        """`name` for the table, `says` what holds."""
        self.name = name
        self.says = says
        self.checked = 0
        self.faults = 0
        self.findings: list[Finding] = []
        self.not_told: Counter[str] = Counter()
        self._findings_max = findings_max

    def fault(self, what: str, where: Where) -> None:
        """It doesn't hold here."""
        self.faults += 1
        if len(self.findings) < self._findings_max:
            self.findings.append(Finding(what, where))

    @property
    def verdict(self) -> str:
        """One of "FAULT", "ok", "ok in part" (some could not be told) and "can't tell"."""
        if self.faults:
            return "FAULT"
        if not self.not_told:
            return "ok"
        return "ok in part" if self.checked else "can't tell"

    def as_object(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "check": self.name,
            "says": self.says,
            "verdict": self.verdict,
            "checked": self.checked,
            "faults": self.faults,
            "findings": [each.as_object() for each in self.findings],
            "not_told": dict(sorted(self.not_told.items())),
        }


class Report:
    """All checks of a verification."""

    def __init__(self, findings_max: int = FINDINGS_MAX) -> None:
        """Nothing looked at yet."""
        self.versions = Check(
            "versions", "the decisions of a channel follow one another", findings_max
        )
        self.errors = Check(
            "errors", "errors follow from one another, recomputed, and sum to zero", findings_max
        )
        self.assignments = Check(
            "assignments", "what was decided was assigned, once, to whom it was due", findings_max
        )
        self.inputs = Check(
            "inputs", "each input was decided once, or is a dead letter", findings_max
        )
        self.leads = Check(
            "leads", "each lead that came was dispatched once, waits, or is refused", findings_max
        )
        self.state = Check("state", "the changelog holds what the decisions lead to", findings_max)
        self.redis = Check(
            "Redis", "Redis holds the changelog as of its restore point", findings_max
        )
        self.offsets = Check(
            "offsets", "the group's offsets are those of the changelog", findings_max
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """In the order in which they are listed."""
        return (
            self.versions, self.errors, self.assignments, self.inputs, self.leads, self.state,
            self.redis, self.offsets,
        )  # fmt: skip

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not any(check.faults for check in self.checks)
