"""A plan and the running system: what differs is found, and sent.

In: a plan, what branches got so far. Out: roster changes on `roster.changes`, a part only when the
one before it is acknowledged; then it is applied before any loan that comes by the next (R5).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from dispatcher.state import ChannelState
from schemas.scalars import value_millionths
from streams.csv_tables import Table
from streams.delivery import Delivery
from streams.failure import Failed
from streams.intake import explain
from streams.kafka_clients import PartitionCounts
from streams.planning import rosters
from streams.planning.document import PlanDocument
from streams.planning.ledger import Ledger
from streams.planning.loan_log import Kept, LoanLog, keep
from streams.planning.rosters import Changes, Of, Terms, WantedChannel
from streams.planning.standing import Standing
from streams.publishing import event_lines, send_lines
from streams.settings import Settings

FAILURES_MAX: Final = 30
"""Looks in a row that may fail, at the cluster or at Redis, before following ends."""

_READ_S: Final = 0.2


def read_plan(data: bytes, name: str) -> PlanDocument:
    """The plan in a file. Raises Failed."""
    try:
        return PlanDocument.model_validate_json(data)
    except ValidationError as error:
        raise Failed(
            f"{name} is no plan of `partidor plan solve --json`: {explain(error)}"
        ) from None


def read_booked(table: Table) -> dict[str, int]:
    """What each branch got so far, millionths of money: the columns branch_id and booked.

    Raises Failed, with the row.
    """
    branch_at, booked_at = table.column("branch_id"), table.column("booked")
    if branch_at is None or booked_at is None:
        raise Failed(f"{table.name}: what is booked has the columns branch_id and booked")
    found: dict[str, int] = {}
    for row in table.rows:
        branch_id = row.cells[branch_at].strip()
        if branch_id in found:
            raise table.failure(row, f"branch {branch_id!r} stands in a row before already")
        try:
            found[branch_id] = value_millionths(row.cells[booked_at].strip())
        except ValueError as error:
            raise table.failure(row, str(error)) from None
    return found


@dataclass(frozen=True)
class Wish:
    """A plan, and how it is to be carried out.

    Attributes:
        of: what a branch's target is: what the plan assigns to it, or its part of its capacity.
        within: a branch that misses less than this is at its target; millionths of money.
    """

    plan: PlanDocument
    terms: Terms
    of: Of = "assigned"
    within: int = 0

    def hub(self, got: Mapping[str, int]) -> WantedChannel:
        """The hub's channel, where branches got so much."""
        return rosters.wanted_hub(self.targets(), got, self.terms, self.within)

    def targets(self) -> dict[str, int]:
        """Of each branch, millionths of money. Raises Failed."""
        return rosters.targets(self.plan, self.of)


class Desk:
    """Looks at the running rosters and sends changes; one producer for all of them."""

    def __init__(self, settings: Settings, wish: Wish) -> None:
        """Asks the cluster. Raises Failed."""
        self.settings = settings
        self.wish = wish
        self._standing = Standing(settings)
        self._delivery = Delivery(settings, PartitionCounts(settings))

    def hub_state(self) -> ChannelState:
        """The hub as it will stand; one without a decision where there is none. Raises Failed."""
        name = self.wish.terms.channel
        return self._standing.channels([name]).get(name) or ChannelState(name)

    def publishing(self, got: Mapping[str, int]) -> Changes:
        """All that differs from the plan. Raises Failed."""
        branches = rosters.wanted_branches(self.wish.plan, self.wish.terms)
        hub = self.wish.hub(got)
        left = rosters.channels_left(hub, self.hub_state())
        names = [hub.channel, *(each.channel for each in branches), *left]
        return rosters.publishing(branches, hub, self._standing.channels(names))

    def renewing(self, got: Mapping[str, int], step: Decimal) -> Changes:
        """Weights, and who is at the target. Raises Failed."""
        return rosters.renewing(self.wish.hub(got), self.hub_state(), step)

    def send(self, changes: Changes, created_at: str) -> None:
        """Send all of them, and wait until they are acknowledged. Raises Failed."""
        limits = self.settings.limits.limits()
        parts = [
            list(event_lines(lines, "the plan's change", limits))
            for lines in rosters.parts_as_lines(changes, created_at)
        ]
        for part in parts:
            send_lines(part, self._delivery, self.settings.topics, lambda _: None)


class Renewed(NamedTuple):
    """A look at the log and at the rosters.

    Attributes:
        counted: what counts towards the targets, by branch; millionths of money.
        changes: what was sent.
    """

    counted: Mapping[str, int]
    changes: Changes


class Following:
    """Renews the hub's weights as loans come in."""

    def __init__(
        self,
        desk: Desk,
        ledger: Ledger,
        log: LoanLog,
        *,
        booked_only: bool,
        step: Decimal,
        state: Path | None,
    ) -> None:
        """`state` is the file that totals and positions are kept in."""
        self._desk = desk
        self._ledger = ledger
        self._log = log
        self._booked_only = booked_only
        self._step = step
        self._state = state

    def begin(self) -> None:
        """Read the log up to now. Raises Failed, also when the rosters aren't those of the plan."""
        self._log.catch_up()
        counted = self._ledger.counted(booked_only=self._booked_only)
        differing = [
            each
            for each in self._desk.publishing(counted).differences
            if each.channel != self._desk.wish.terms.channel
            or each.what not in ("weight", "presence")
        ]
        if differing:
            raise Failed(
                f"the running rosters are not those of the plan in {len(differing)} places:"
                " `partidor plan publish` it first"
            )

    def go_on(
        self,
        every_s: float,
        now_text: Callable[[], str],
        is_over: Callable[[], bool],
        on_renewed: Callable[[Renewed], None],
        on_failure: Callable[[Failed], None],
    ) -> None:
        """Look every so often until it is over. Raises Failed after `FAILURES_MAX` in a row."""
        failures, look_again = 0, True
        while not is_over():
            try:
                moved = self._read_for(every_s, is_over) > 0
                if moved or look_again:
                    renewed = self._renew(now_text())
                    # What was sent may be refused, if somebody changed the roster just then.
                    look_again = bool(renewed.changes.parts)
                    on_renewed(renewed)
                failures = 0
            except Failed as failure:
                failures, look_again = failures + 1, True
                if failures > FAILURES_MAX:
                    raise
                on_failure(failure)
                time.sleep(min(every_s, 1.0))

    def _read_for(self, seconds: float, is_over: Callable[[], bool]) -> int:
        deadline, moved = time.monotonic() + seconds, 0
        while (left := deadline - time.monotonic()) > 0 and not is_over():
            moved += self._log.read(min(left, _READ_S))
        return moved

    def _renew(self, created_at: str) -> Renewed:
        counted = self._ledger.counted(booked_only=self._booked_only)
        changes = self._desk.renewing(counted, self._step)
        self._desk.send(changes, created_at)
        if self._state is not None:
            kept = Kept(self._ledger.totals, dict(self._log.positions))
            keep(self._state, self._desk.settings, self._desk.wish.terms.channel, kept)
        return Renewed(counted, changes)


def at_target(hub: WantedChannel) -> int:
    """How many branches get nothing more."""
    return sum(member.weight == 0 for member in hub.members)


def summed(counted: Mapping[str, int], branch_ids: Iterable[str]) -> int:
    """What branches got together."""
    return sum(counted.get(branch_id, 0) for branch_id in branch_ids)


def by_kind(changes: Changes) -> Sequence[tuple[str, int]]:
    """How many differences there are of each kind, in the order in which they come first."""
    counts: dict[str, int] = {}
    for each in changes.differences:
        counts[each.what] = counts.get(each.what, 0) + 1
    return list(counts.items())
