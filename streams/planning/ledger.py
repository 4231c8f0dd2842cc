"""What each branch got, and what of it is booked: added up from the dispatchers' log.

In: decisions and assignments, in any order between the two topics, each once. Out: amounts by
branch, in millionths of the loans' money.

- **Assigned**: what the hub's decisions say that a branch got (`assigned_value`), less what it gave
  back to the hub or what moved to another branch. So a loan counts from the moment at which the hub
  decides, wherever it is by then.
- **Booked**: loans that were closed in a branch's channel (`lead_closed`), with a reason that
  counts as booked. What was closed for any other reason (declined) is neither booked nor assigned
  any more. What the loan is worth was said when it was assigned to a banker.
- Outcomes are read as they were decided (`outcome_recorded`): one that was sent twice, or refused,
  stands there once, or not at all.
- Within a branch a loan may be returned or move on to another banker: it is the branch's still.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec

from dispatcher.values import InvalidValue, lead_value
from schemas.scalars import MILLIONTHS
from streams.failure import Failed

LOANS_OPEN_MAX: Final = 1_000_000
"""Loans that are remembered until they are closed, of all branches."""

CLOSED_EARLY_MAX: Final = 100_000
"""Closings that were read before the assignment, which stands in another topic; the oldest of more
are forgotten: their loans didn't come by the hub."""

Loan = tuple[str, str]
"""A branch and a lead_id."""


_Decimal12 = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,40}\.[0-9]{12}\Z")]


class _Share(msgspec.Struct, frozen=True):
    assignee_id: str
    assigned_value: _Decimal12 | None = None


class _Decision(msgspec.Struct, frozen=True):
    type: str
    channel: str
    shares: list[_Share] = []
    outcome_type: str | None = None
    lead_id: str | None = None
    assignee_id: str | None = None
    reason: str | None = None
    lead_value: _Decimal12 | None = None


class _Assigned(msgspec.Struct, frozen=True):
    channel: str
    lead_id: str
    attributes: dict[str, msgspec.Raw] = {}


class Totals(msgspec.Struct):
    """All that a ledger remembers; what it is made of again.

    Attributes:
        assigned, booked: by branch, millionths.
        loans_open: the amounts of loans with a banker, by branch and lead_id.
        closed_early: whether they count as booked, likewise.
    """

    assigned: dict[str, int] = {}
    booked: dict[str, int] = {}
    loans_open: dict[str, dict[str, int]] = {}
    closed_early: dict[str, dict[str, bool]] = {}


_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_assigned = msgspec.json.Decoder(_Assigned).decode


class Ledger:
    """The branches of one hub."""

    def __init__(
        self,
        hub: str,
        value_attribute: str,
        booked_reasons: Iterable[str] = (),
        totals: Totals | None = None,
    ) -> None:
        """`booked_reasons`: of closings that count as booked; none given: all do."""
        self._hub = hub
        self._prefix = f"{hub}/"
        self._value_attribute = value_attribute
        self._booked_reasons = frozenset(booked_reasons)
        self.totals = totals or Totals()
        self._open = sum(map(len, self.totals.loans_open.values()))

    @property
    def loans_open(self) -> int:
        """How many loans are with bankers."""
        return self._open

    def begin_with(self, assigned: Mapping[str, int]) -> None:
        """What each branch got before the log is read: all of it booked."""
        for branch_id, amount in assigned.items():
            self._add(self.totals.assigned, branch_id, amount)
            self._add(self.totals.booked, branch_id, amount)

    def decision(self, value: bytes) -> None:
        """A record of `dispatch.decisions`; those of other channels are passed over."""
        try:
            decided = _decode_decision(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # only a stranger can have sent it
        if decided.channel == self._hub:
            self._of_the_hub(decided)
        elif decided.channel.startswith(self._prefix) and decided.outcome_type == "lead_closed":
            loan = (decided.channel.removeprefix(self._prefix), decided.lead_id or "")
            self._close(loan, booked=self._counts(decided.reason))

    def assignment(self, value: bytes) -> None:
        """A record of `leads.assignments`. Raises Failed when too many loans are open."""
        try:
            assigned = _decode_assigned(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not assigned.channel.startswith(self._prefix):
            return
        branch_id = assigned.channel.removeprefix(self._prefix)
        amount = _amount(assigned.attributes.get(self._value_attribute))
        loans = self.totals.loans_open.setdefault(branch_id, {})
        self._open += assigned.lead_id not in loans
        loans[assigned.lead_id] = amount
        if self._open > LOANS_OPEN_MAX:
            raise Failed(
                f"over {LOANS_OPEN_MAX:,} loans are open: close those that are done"
                " (`partidor outcome close`), or begin anew with --booked"
            )
        early = self.totals.closed_early.get(branch_id, {})
        if assigned.lead_id in early:
            booked = early.pop(assigned.lead_id)
            self._close((branch_id, assigned.lead_id), booked=booked)

    def counted(self, *, booked_only: bool) -> dict[str, int]:
        """What counts towards targets, by branch."""
        return dict(self.totals.booked if booked_only else self.totals.assigned)

    def _of_the_hub(self, decided: _Decision) -> None:
        if decided.type == "batch_dispatched":
            for share in decided.shares:
                if share.assigned_value is not None:
                    amount = _of_decimal12(share.assigned_value)
                    self._add(self.totals.assigned, share.assignee_id, amount)
        elif decided.outcome_type in ("lead_returned", "lead_reassigned"):
            branch_id = decided.assignee_id or ""
            amount = self._forget((branch_id, decided.lead_id or ""))
            if decided.lead_value is not None:
                amount = _of_decimal12(decided.lead_value)
            self._add(self.totals.assigned, branch_id, -amount)
        elif decided.outcome_type == "lead_closed":
            loan = (decided.assignee_id or "", decided.lead_id or "")
            self._close(loan, booked=self._counts(decided.reason))

    def _counts(self, reason: str | None) -> bool:
        return not self._booked_reasons or reason in self._booked_reasons

    def _close(self, loan: Loan, *, booked: bool) -> None:
        branch_id, lead_id = loan
        if lead_id not in self.totals.loans_open.get(branch_id, {}):
            self._close_early(loan, booked=booked)
            return
        amount = self._forget(loan)
        if booked:
            self._add(self.totals.booked, branch_id, amount)
        else:
            self._add(self.totals.assigned, branch_id, -amount)

    def _close_early(self, loan: Loan, *, booked: bool) -> None:
        early = self.totals.closed_early
        early.setdefault(loan[0], {})[loan[1]] = booked
        if sum(map(len, early.values())) > CLOSED_EARLY_MAX:
            most = max(early.values(), key=len)
            del most[next(iter(most))]

    def _forget(self, loan: Loan) -> int:
        """What it is worth; 0 where nothing is known of it."""
        amount = self.totals.loans_open.get(loan[0], {}).pop(loan[1], None)
        self._open -= amount is not None
        return amount or 0

    @staticmethod
    def _add(amounts: dict[str, int], branch_id: str, amount: int) -> None:
        amounts[branch_id] = amounts.get(branch_id, 0) + amount


def _of_decimal12(text: str) -> int:
    """A decimal with 12 places, in millionths; what the dispatcher adds up has no more than 6."""
    return int(text.replace(".", "")) // MILLIONTHS


def _amount(raw: msgspec.Raw | None) -> int:
    """What the lead was worth when it was divided: its attributes went through unread."""
    if raw is None:
        return 0
    try:
        return lead_value(f'{{"v":{bytes(raw).decode()}}}', "v")
    except (InvalidValue, UnicodeDecodeError):
        return 0
