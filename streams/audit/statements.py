"""How a member's cumulative error came about in a time: like a bank statement, to the last digit.

In: the decisions of a channel as they stand in the log, an assignee, from when to when. Out: the
opening figure, every movement with the error after it, the closing figure, as fractions. Pure.

The movements come from the rules (see `movements`), the errors from the numerators of the log: that
opening and movements add up to the closing figure is shown, not assumed.

- A time is cut where decisions are: from the first that isn't before `from_ms` to the last that
  isn't after `to_ms`, and all between, because clocks of different sources may differ.
- A log that begins after its channel: the opening figure is taken from the first decision that
  lists the assignee. Error before = error after - assigned + fair share is exact; a decision by
  rules, or on the roster, tells only the error after it exactly, and the statement begins there.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from dispatcher.times import milliseconds
from schemas.scalars import UNITS_PER_LEAD, decimal_text
from streams.audit.checking import Difference
from streams.audit.decision_log import (
    Json,
    Ledger,
    Unreadable,
    decision_of,
    has_rules,
    received_units,
)
from streams.audit.movements import Movement, movements, row_of
from streams.audit.recomputing import error_before


class Line(NamedTuple):
    """A movement, when it came, and the cumulative error after it, in leads."""

    decided_at: str
    state_version: int
    movement: Movement
    error_after: Fraction


@dataclass
class Statement:
    """All of it.

    Attributes:
        opening, closing: cumulative errors in leads; from the log, not from the lines.
        opening_note: where the opening figure is from, if the log begins late.
        differences: figures of the log that aren't what they have to be.
        not_told: roster changes whose causes the log doesn't tell.
    """

    channel: str
    assignee_id: str
    opening: Fraction
    opening_note: str | None
    closing: Fraction
    lines: list[Line] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    not_told: int = 0

    @property
    def leads(self) -> int:
        """Received, less those that were given back."""
        return sum(line.movement.leads for line in self.lines)

    @property
    def by_value(self) -> bool:
        """Whether anything was received that is measured by value."""
        return any(line.movement.value is not None for line in self.lines)

    @property
    def received(self) -> Fraction:
        """What the leads count: one each, or their value."""
        return sum((line.movement.received for line in self.lines), Fraction(0))

    @property
    def fair_share(self) -> Fraction:
        """The sum of all fair shares."""
        return sum((line.movement.fair_share for line in self.lines), Fraction(0))

    @property
    def adjustment(self) -> Fraction:
        """The sum of what roster changes and corrections did."""
        return sum((line.movement.adjustment for line in self.lines), Fraction(0))

    @property
    def missing(self) -> Fraction:
        """Closing figure - (opening figure + movements): 0, or the log is not what it has to be."""
        return self.closing - self.opening - self.received + self.fair_share - self.adjustment


class NotListed(ValueError):
    """No decision of the log lists the assignee."""


class StatementWriter:
    """Writes a statement as decisions come."""

    def __init__(
        self, channel: str, assignee_id: str, from_ms: int | None = None, to_ms: int | None = None
    ) -> None:
        """From and to, both included, in milliseconds since 1970; None for no bound."""
        self._ledger = Ledger(channel)
        self._assignee_id = assignee_id
        self._from_ms = from_ms
        self._to_ms = to_ms
        self._listed = False
        self._begun = False
        self._opening: Fraction | None = None
        self._note: str | None = None
        self._lines: list[Line] = []
        self._differences: list[tuple[int, Difference]] = []
        self._not_told: list[int] = []
        self._running: Fraction | None = None
        # As of the last decision that is within the time.
        self._closing: Fraction | None = None
        self._closing_version = 0

    def decision(self, value: bytes) -> None:
        """The next line or record; what is no decision of the channel is passed over.

        Raises Unreadable.
        """
        decision = decision_of(value)
        if decision is None or decision["channel"] != self._ledger.channel:
            return
        try:
            self._take(decision)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, Unreadable):
                raise
            raise Unreadable(
                f"decision {decision['state_version']} of channel {decision['channel']}"
                f" can't be read: {error!r}"
            ) from None

    def _take(self, decision: Json) -> None:
        ledger, version, last_version = (
            self._ledger, decision["state_version"], self._ledger.state_version,
        )  # fmt: skip
        if not ledger.turn_to(decision):
            return
        if last_version and ledger.first is decision:
            gap = (f"{version} after {last_version}", str(last_version + 1))
            self._differences.append((version, Difference("state version", *gap)))
        self._listed = self._listed or row_of(decision, self._assignee_id) is not None
        before = self._before(decision)
        found = [] if before is None else movements(ledger, decision, self._assignee_id)
        ledger.apply(decision)
        after = self._error()
        if after is None:
            return
        at_ms = milliseconds(decision["decided_at"])
        self._begun = self._begun or self._from_ms is None or at_ms >= self._from_ms
        if self._begun:
            self._write(decision, before, after, found)
            if self._to_ms is None or at_ms <= self._to_ms:
                self._closing, self._closing_version = after, version
        self._running = after

    def _error(self) -> Fraction | None:
        numerator = self._ledger.error(self._assignee_id)
        return None if numerator is None else Fraction(numerator, self._ledger.denominator)

    def _before(self, decision: Json) -> Fraction | None:
        """The exact error before a decision, if the log tells it."""
        known = self._error()
        row = row_of(decision, self._assignee_id)
        if known is not None or row is None:
            return known
        if decision["type"] != "batch_dispatched" or has_rules(decision):
            return None
        return Fraction(error_before(decision, row), int(decision["error_denominator"]))

    def _write(
        self,
        decision: Json,
        before: Fraction | None,
        after: Fraction,
        found: list[Movement] | None,
    ) -> None:
        """The lines of a decision; `found` is None where its causes aren't told."""
        version = decision["state_version"]
        start = after if before is None else before
        if self._opening is None:
            self._open(decision, start, told=before is not None)
        elif self._running is not None and start != self._running:
            gap = Movement("not in the log", adjustment=start - self._running)
            self._lines.append(Line(decision["decided_at"], version, gap, start))
        if found is None:
            self._not_told.append(version)
            words = f"{decision.get('change_type')}".replace("_", " ")
            found = [Movement(f"{words}: its causes are not told", adjustment=after - start)]
        error = start
        for movement in found:
            error += movement.amount
            self._lines.append(Line(decision["decided_at"], version, movement, error))
        if error != after:
            stated, again = self._text(after), self._text(error)
            what = f"error of {self._assignee_id} after state version {version}"
            self._differences.append((version, Difference(what, stated, again)))
        self._check_row(decision, start, after, told=before is not None)

    def _text(self, error: Fraction) -> str:
        return f"{error} ({decimal12(error)})"

    def _check_row(self, decision: Json, before: Fraction, after: Fraction, *, told: bool) -> None:
        """The rounded figures beside the exact one."""
        row = row_of(decision, self._assignee_id)
        if row is None:
            return
        expected = {"cumulative_error_after": decimal12(after)}
        if told:
            expected["cumulative_error_before"] = decimal12(before)
        if told and "fair_share" in row:
            due = before + Fraction(received_units(row), UNITS_PER_LEAD) - after
            expected["fair_share"] = decimal12(due)
            expected["ideal"] = decimal12(due - before)
        version = decision["state_version"]
        for name, value in expected.items():
            if row.get(name) != value:
                what = f"{name} of {self._assignee_id} in state version {version}"
                self._differences.append((version, Difference(what, str(row.get(name)), value)))

    def _open(self, decision: Json, opening: Fraction, *, told: bool) -> None:
        self._opening = self._closing = opening
        self._closing_version = decision["state_version"] - 1
        first = self._ledger.first or decision
        if first["state_version"] == 1 or self._running is not None:
            return
        which = "before it, exact by its numerator" if told else "after it: only that is exact"
        self._note = (
            f"The log begins with state version {first['state_version']}. State version"
            f" {decision['state_version']} is the first that lists {self._assignee_id}; the"
            f" opening figure is the error {which}."
        )

    def finish(self) -> Statement:
        """No more comes. Raises NotListed."""
        if not self._listed:
            raise NotListed(f"no decision of channel {self._ledger.channel} in the log lists"
                            f" {self._assignee_id}")  # fmt: skip
        opening, closing, last = self._opening, self._closing, self._closing_version
        if opening is None or closing is None:  # nothing happened in that time, or since
            opening = closing = self._running or Fraction(0)
        return Statement(
            self._ledger.channel,
            self._assignee_id,
            opening,
            self._note,
            closing,
            [line for line in self._lines if line.state_version <= last],
            [each for version, each in self._differences if version <= last],
            sum(version <= last for version in self._not_told),
        )


def decimal12(amount: Fraction) -> str:
    """An amount with 12 decimals, half to even, as decisions show it."""
    # `decimal_text` takes denominators that are multiples of 10^12.
    return decimal_text(amount.numerator * UNITS_PER_LEAD, amount.denominator * UNITS_PER_LEAD)
