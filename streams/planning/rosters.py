"""What a plan wants of the running rosters, and the changes that bring them there: no I/O.

In: a plan, what each branch has got of its target, the running channels. Out: roster changes, only
where something differs, in parts; a part is sent when the one before it is acknowledged.

The hub's channel has the branches as assignees. It divides by value; each branch may take
investment loans up to half of what it got, and is routed to a channel of its own, whose assignees
are its bankers, weighted by what the plan gives each.

- **Weight** of a branch: what is missing to its target, in millions. A branch at its target has
  weight 0 and is paused: with weight 0 alone it could still settle what it is owed, which is a
  further loan. Paused at weight 0 is how one at its target is known. Whom somebody else paused
  stays so, and keeps a weight above 0, 0.000001 at the least.
- **Order**: first channels of branches are configured and staffed. Then branches join the hub with
  weight 0; are routed and limited; get their weights, all in one change. So no loan goes to a
  branch that is not routed, not limited or not staffed. Branches that the plan leaves out get
  weight 0 at once, their bankers leave after that, and they leave the hub last: whatever cuts this
  off, the next time goes on from there.
- **Ids**: a change is named after its content and the roster version that it comes upon. So the
  same change in the same place has the same id, and is known if it comes twice; the same change at
  another time has another.
- Several members at once change by `roster_replaced`, with the roster version that it is meant for:
  if somebody else changed the roster meanwhile it is refused, and the next publishing looks anew.
- Required skills, skills, capacities, other limits, returns: whatever the plan says nothing of
  stays as it is.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from dispatcher.eligibility import Eligibility
from dispatcher.roster import Member
from dispatcher.share_limits import of
from dispatcher.state import ChannelState
from schemas.inputs import ShareLimit
from schemas.scalars import MILLIONTHS, WEIGHT_MILLIONTHS_MAX, share_millionths, weight_text
from streams.failure import Failed
from streams.planning.document import PlanDocument

CHANGED_BY: Final = "partidor plan"
LEAST: Final = 1
"""The least weight above 0, in millionths."""

Of = Literal["assigned", "target"]
Event = dict[str, Any]

_Row = tuple[str, int, bool | None]
"""A member as they are to be: id, weight in millionths, whether paused (None: as they are)."""


@dataclass(frozen=True)
class Terms:
    """How loans say what they are worth and what they are for, and where they come in."""

    channel: str = "loans"
    value_attribute: str = "amount"
    limit: ShareLimit = field(
        default_factory=lambda: ShareLimit(attribute="purpose", value="investment", share_max="0.5")
    )

    def channel_of(self, branch_id: str) -> str:
        """The channel of a branch's bankers."""
        return f"{self.channel}/{branch_id}"


class WantedMember(NamedTuple):
    """An assignee as the plan wants them.

    Attributes:
        weight: millionths; 0 at the target.
        target: what the weight is what is left of, in millionths of a million; 0 for bankers.
    """

    assignee_id: str
    weight: int
    limit: ShareLimit | None = None
    routes_to: str | None = None
    target: int = 0


class WantedChannel(NamedTuple):
    """A channel as the plan wants it."""

    channel: str
    value_attribute: str
    members: tuple[WantedMember, ...]


class Difference(NamedTuple):
    """What changes for whom; `before` and `after` as people read them."""

    channel: str
    assignee_id: str | None
    what: str
    before: str | None
    after: str | None


class Changes(NamedTuple):
    """Differences, and the events that end them, in parts that are sent one after the other."""

    differences: list[Difference]
    parts: list[list[Event]]

    @property
    def events(self) -> int:
        """How many are to be sent."""
        return sum(len(part) for part in self.parts)


def targets(plan: PlanDocument, of_: Of = "assigned") -> dict[str, int]:
    """Each staffed branch's target, in millionths of the loans' money. Raises Failed."""
    if not plan.bankers:
        raise Failed(f"the plan is {plan.status} and names no bankers: there is nothing to publish")
    staffed = {banker.branch_id for banker in plan.bankers}
    strangers = staffed - {branch.branch_id for branch in plan.branches}
    if strangers:
        raise Failed(f"the plan's bankers work in branches that it doesn't list: {min(strangers)}")
    values = {
        branch.branch_id: branch.assigned_value if of_ == "assigned" else branch.target_value
        for branch in plan.branches
        if branch.branch_id in staffed
    }
    return {branch_id: _millionths(value) for branch_id, value in values.items()}


def wanted_branches(plan: PlanDocument, terms: Terms) -> list[WantedChannel]:
    """The channel of each branch where somebody works; its bankers by what they are to process."""
    staff: dict[str, list[WantedMember]] = {}
    for banker in plan.bankers:
        # Who is planned nothing is there all the same: for what no other may take.
        weight = max(LEAST, _weight(_millionths(banker.assigned_value)))
        member = WantedMember(banker.banker_id, weight)
        staff.setdefault(banker.branch_id, []).append(member)
    return [
        WantedChannel(terms.channel_of(branch_id), terms.value_attribute, tuple(staff[branch_id]))
        for branch_id in sorted(staff)
    ]


def wanted_hub(
    targets_: Mapping[str, int], got: Mapping[str, int], terms: Terms, within: int = 0
) -> WantedChannel:
    """The channel in which loans come in.

    Args:
        targets_: of each branch, millionths of money.
        got: what counts towards it so far, likewise; 0 where it isn't named.
        within: a branch that misses less than this is at its target.
    """
    members = []
    for branch_id in sorted(targets_):
        missing = targets_[branch_id] - got.get(branch_id, 0)
        weight = _weight(missing) if missing > 0 and missing >= within else 0
        members.append(
            WantedMember(
                branch_id,
                weight,
                terms.limit,
                terms.channel_of(branch_id),
                targets_[branch_id] // MILLIONTHS,
            )
        )
    return WantedChannel(terms.channel, terms.value_attribute, tuple(members))


def publishing(
    branches: Sequence[WantedChannel],
    hub: WantedChannel,
    standing: Mapping[str, ChannelState],
) -> Changes:
    """All that makes the running channels what the plan wants.

    `standing` holds the hub, each wanted branch's channel, and those named by `channels_left`,
    as far as they exist.
    """
    writers = [_Writer(wanted, standing) for wanted in branches]
    for writer in writers:
        writer.configure()
        writer.staff()
    at_hub = _Writer(hub, standing)
    staying_ids = {member.assignee_id for member in hub.members}
    leaving = [name for name in at_hub.members if name not in staying_ids]
    at_hub.configure()
    at_hub.admit(leaving)
    at_hub.route_and_limit()
    at_hub.weigh(leaving)
    staying = at_hub.events
    at_hub.events = []
    closed = [
        _Writer(WantedChannel(channel, "", ()), standing)
        for channel in channels_left(hub, standing.get(hub.channel))
    ]
    for writer in closed:
        writer.staff()
    at_hub.dismiss(leaving)
    return _changes(
        [*writers, at_hub, *closed],
        [
            [event for writer in writers for event in writer.events],
            staying,
            [event for writer in closed for event in writer.events],
            at_hub.events,
        ],
    )


def renewing(hub: WantedChannel, state: ChannelState, step: Decimal) -> Changes:
    """Only weights of branches that are on the hub's roster, and who of them is at the target.

    `step` is how much of its target a branch's weight has to change by, at least, to be renewed.
    """
    writer = _Writer(hub, {hub.channel: state})
    here = [member for member in hub.members if member.assignee_id in state.roster]
    writer.wanted = hub._replace(members=tuple(here))
    writer.weigh([], step)
    return _changes([writer], [writer.events])


def channels_left(hub: WantedChannel, state: ChannelState | None) -> list[str]:
    """Where branches that the plan leaves out are routed to."""
    if state is None:
        return []
    wanted = {member.routes_to for member in hub.members}
    return sorted({channel for channel in state.roster.routes.values() if channel not in wanted})


def _changes(writers: Iterable["_Writer"], parts: list[list[Event]]) -> Changes:
    differences = [each for writer in writers for each in writer.differences]
    return Changes(differences, [part for part in parts if part])


class _Writer:
    """Writes the changes of one channel, as if each were applied before the next."""

    def __init__(self, wanted: WantedChannel, standing: Mapping[str, ChannelState]) -> None:
        self.wanted = wanted
        self.events: list[Event] = []
        self.differences: list[Difference] = []
        state = standing.get(wanted.channel) or ChannelState(wanted.channel)
        self._version = state.roster_version
        self._eligibility = state.eligibility or Eligibility()
        self.members: dict[str, Member] = {m.assignee_id: m for m in state.roster.members}

    def configure(self) -> None:
        """Divided by value; the channel's other rules stay."""
        rules = self._eligibility.rules
        if rules.by_value == self.wanted.value_attribute:
            return
        before = "count" if rules.by_value is None else f"value of {rules.by_value}"
        self._differs(None, "divided by", before, f"value of {self.wanted.value_attribute}")
        sticky = rules.sticky
        kept: dict[str, Any] = {
            "time_zone": rules.time_zone,
            "required_skills": list(rules.required_skills),
            "returns": [
                {
                    "reason": terms.reason,
                    "credited": terms.credited,
                    "dispatched_again": terms.dispatched_again,
                }
                for terms in rules.returns
            ],
        }
        if sticky is not None:
            kept["sticky"] = {
                "attributes": list(sticky.attributes),
                "days": sticky.days,
                "without_register": sticky.without_register,
            }
        self._write(
            "channel_configured",
            **kept,
            dispatch_by="value",
            value_attribute=self.wanted.value_attribute,
        )

    def staff(self) -> None:
        """Who works here and with which weight, as one change."""
        wanted = {member.assignee_id: member for member in self.wanted.members}
        rows: list[_Row] = [(name, member.weight, None) for name, member in wanted.items()]
        leaving = [name for name in self.members if name not in wanted]
        for name in leaving:
            self._differs(name, "leaves", weight_text(self.members[name].weight_millionths), None)
        self._replace(rows, leaving)

    def admit(self, leaving: Iterable[str]) -> None:
        """Newcomers get no loan yet; who is to leave gets none any more."""
        joining = [m.assignee_id for m in self.wanted.members if m.assignee_id not in self.members]
        if not joining:
            return
        gone = set(leaving)
        rows: list[_Row] = [
            (name, 0, True) if name in gone else (name, member.weight_millionths, None)
            for name, member in self.members.items()
        ]
        self._replace(rows + [(name, 0, None) for name in joining], ())

    def route_and_limit(self) -> None:
        """Each where it leads and under its limit."""
        for member in self.wanted.members:
            name, target = member.assignee_id, member.routes_to
            before = self.members[name].routes_to
            if before != target:
                self._differs(name, "routed to", before, target)
                self._write("assignee_routed", assignee_id=name, routes_to=target)
                self.members[name] = self.members[name]._replace(routes_to=target)
            if member.limit is not None:
                self._limit(name, member.limit)

    def weigh(self, leaving: Iterable[str], step: Decimal = Decimal(0)) -> None:
        """All weights at once."""
        gone = set(leaving)
        wanted = {member.assignee_id: member for member in self.wanted.members}
        rows: list[_Row] = []
        for name, standing in self.members.items():
            if name in wanted:
                rows.append((name, *_weight_and_presence(wanted[name], standing, step)))
            elif name in gone:
                rows.append((name, 0, True))
            else:
                rows.append((name, standing.weight_millionths, None))
        self._replace(rows, ())

    def dismiss(self, leaving: Sequence[str]) -> None:
        """Who isn't in the plan leaves."""
        for name in leaving:
            self._differs(name, "leaves", weight_text(self.members[name].weight_millionths), None)
        gone = set(leaving)
        rows: list[_Row] = [
            (name, member.weight_millionths, None)
            for name, member in self.members.items()
            if name not in gone
        ]
        self._replace(rows, leaving)

    def _limit(self, name: str, limit: ShareLimit) -> None:
        standing = [each for mine in of(self._eligibility.limits, name) for each in mine.limits]
        kind = (limit.attribute, limit.value)
        before = next((each for each in standing if each.mark == kind), None)
        if before is not None and before.share_max == share_millionths(limit.share_max):
            return
        self._differs(
            name,
            f"limit of {limit.attribute}={limit.value}",
            None if before is None else weight_text(before.share_max),
            limit.share_max,
        )
        others = [
            {
                "attribute": each.attribute,
                "value": each.value,
                "share_max": weight_text(each.share_max),
            }
            for each in standing
            if each.mark != kind
        ]
        self._write("limits_changed", assignee_id=name, limits=[*others, limit.model_dump()])

    def _replace(self, rows: list[_Row], leaving: Sequence[str]) -> None:
        """These are the members from now on; written as the one change that it takes, if any."""
        moved = [row for row in rows if self._moves(*row)]
        for name, weight, paused in moved:
            self._tell(name, weight, paused)
        if not moved and not leaving:
            return
        alone = self._alone(moved, leaving) if len(moved) + len(leaving) == 1 else None
        if alone is not None:
            self._write(alone[0], **alone[1])
        else:
            members = [
                {"assignee_id": name, "weight": weight_text(weight)}
                | ({} if paused is None else {"paused": paused})
                for name, weight, paused in sorted(rows)
            ]
            self._write("roster_replaced", members=members, expected_roster_version=self._version)
        for name in leaving:
            del self.members[name]
        for name, weight, paused in moved:
            known = self.members.get(name) or Member(b"", name, weight, paused=False)
            presence = known.paused if paused is None else paused
            self.members[name] = known._replace(weight_millionths=weight, paused=presence)

    def _alone(self, moved: Sequence[_Row], leaving: Sequence[str]) -> tuple[str, Event] | None:
        """The change of one member by itself; None where that takes more than one."""
        if leaving:
            return "assignee_left", {"assignee_id": leaving[0]}
        ((name, weight, paused),) = moved
        fields = {"assignee_id": name, "weight": weight_text(weight)}
        known = self.members.get(name)
        if known is None:
            return None if paused else ("assignee_joined", fields)
        return ("weight_changed", fields) if paused in (None, known.paused) else None

    def _moves(self, name: str, weight: int, paused: bool | None) -> bool:
        known = self.members.get(name)
        return (
            known is None or known.weight_millionths != weight or paused not in (None, known.paused)
        )

    def _tell(self, name: str, weight: int, paused: bool | None) -> None:
        known = self.members.get(name)
        if known is None:
            self._differs(name, "joins", None, weight_text(weight))
            return
        if known.weight_millionths != weight:
            before = weight_text(known.weight_millionths)
            self._differs(name, "weight", before, weight_text(weight))
        if paused not in (None, known.paused):
            self._differs(name, "presence", _presence(known.paused), _presence(bool(paused)))

    def _differs(self, name: str | None, what: str, before: str | None, after: str | None) -> None:
        self.differences.append(Difference(self.wanted.channel, name, what, before, after))

    def _write(self, kind: str, /, **fields: Any) -> None:
        event = {
            "type": kind,
            "schema_version": 1,
            "channel": self.wanted.channel,
            "changed_by": CHANGED_BY,
            **fields,
        }
        content = json.dumps([self._version, event], sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(content.encode()).hexdigest()[:32]
        self.events.append({**event, "change_id": f"plan-{digest}"})
        self._version += 1


def _weight_and_presence(
    wanted: WantedMember, standing: Member, step: Decimal
) -> tuple[int, bool | None]:
    """What a branch's weight is to be, and whether it is paused; None: as it is."""
    by_us = standing.paused and standing.weight_millionths == 0
    if standing.paused and not by_us:
        return max(LEAST, wanted.weight), None
    if not wanted.weight:
        return 0, True
    before = standing.weight_millionths
    if before and abs(wanted.weight - before) <= step * wanted.target:
        return before, False
    return wanted.weight, False


def _presence(paused: bool) -> str:
    return "paused" if paused else "active"


def _millionths(value: float) -> int:
    """Of money: as exact as the plan says it, never through a float's binary digits."""
    return round(Decimal(repr(value)) * MILLIONTHS)


def _weight(millionths: int) -> int:
    """An amount in millions, as a weight: at least what is above 0, at most what a weight is."""
    if millionths <= 0:
        return 0
    return min(WEIGHT_MILLIONTHS_MAX, max(LEAST, millionths // MILLIONTHS))


def parts_as_lines(changes: Changes, created_at: str) -> Iterator[list[bytes]]:
    """Each part's events as they are sent."""
    for part in changes.parts:
        yield [
            json.dumps({**event, "created_at": created_at}, ensure_ascii=False).encode()
            for event in part
        ]
