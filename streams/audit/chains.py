"""The decisions of channels held one by one against those before them, and against their states.

In: decisions in order of their partition, the assignments of each, the states that the changelog
holds. Out: faults of `versions`, `errors`, `assignments` and `state`. Pure.

A channel's state in the changelog, read before the decisions, says up to where everything of it
has to be there. What was decided later is held against what came before it, and no more: its
assignments may come after the end that was asked for.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from streams.audit.batch_checks import batch_found
from streams.audit.changelog_copy import MainRead, members_differ
from streams.audit.checking import Assigned, Difference
from streams.audit.decision_log import Json, Ledger, Unreadable
from streams.audit.findings import Report, Where
from streams.audit.going_on import went_on
from streams.audit.groups import Group, Groups
from streams.audit.moved_errors import change_differences, outcome_differences

BROKEN: Final = "the channel's decisions are not a chain"
BEGINS_LATE: Final = "the log begins after the decisions before it"
CUT_ASSIGNMENTS: Final = "assignments are not kept for so long"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class Chain:
    """A channel's decisions so far.

    Attributes:
        ledger: after the last of them.
        last: its version; 0 before the first.
        first: the version at which the log begins.
        broken: whether one is missing, or came again.
    """

    def __init__(self, channel: str) -> None:
        """Before the first decision that the log holds."""
        self.ledger = Ledger(channel)
        self.last = 0
        self.first = 0
        self.broken = False
        self.compared = False


class Chains:
    """All channels whose decisions were seen."""

    def __init__(self, report: Report, decisions_topic: str, assignments_topic: str) -> None:
        """Nothing seen."""
        self._report = report
        self._decisions = decisions_topic
        self._assignments = assignments_topic
        self.by_channel: dict[str, Chain] = {}
        self.mains: dict[str, MainRead] = {}
        # A log that begins with a later version than 1, though nothing was cut off.
        self._begins: dict[str, tuple[int, Where]] = {}
        self._ends: dict[str, int] = {}

    def known(self, channel: str) -> int:
        """The version up to which everything of a channel has to be there."""
        main = self.mains.get(channel)
        return 0 if main is None else main.state_version

    def is_broken(self, channel: str) -> bool:
        """Whether a decision of it is missing, or came again."""
        chain = self.by_channel.get(channel)
        return chain is not None and chain.broken

    def is_past(self, key: tuple[str, int]) -> bool:
        """Whether a decision has gone by."""
        chain = self.by_channel.get(key[0])
        return chain is not None and chain.last >= key[1]

    # -- versions

    def turn_to(self, decision: Json, where: Where, *, begins_late: bool) -> Chain | None:
        """The chain that the decision continues; None if it is one that was there before."""
        channel, version = decision["channel"], decision["state_version"]
        check = self._report.versions
        check.checked += 1
        chain = self.by_channel.get(channel)
        if chain is not None and chain.last and version <= chain.last:
            chain.broken = True
            check.fault(f"decision {version} comes again after {chain.last}", where)
            return None
        if chain is None:
            chain = self.by_channel[channel] = Chain(channel)
            chain.first = version
            if version > 1 and begins_late:
                check.not_told[BEGINS_LATE] += 1
            elif version > 1:
                self._begins[channel] = (version, where)
        elif version != chain.last + 1:
            chain.broken = True
            missing = version - chain.last - 1
            text = f"decision {version} follows {chain.last}: {missing} missing between them"
            check.fault(text, where)
        chain.last = version
        return chain

    def other_partition(self, channels: Iterable[str]) -> None:
        """These channels are kept elsewhere from here on: their topics were expanded."""
        for channel in channels:
            chain = self.by_channel.pop(channel)
            self._ends[channel] = max(self._ends.get(channel, 0), chain.last)

    # -- errors and assignments

    def follow(self, chain: Chain, decision: Json, groups: Groups, where: Where) -> Group | None:
        """Hold it against everything before it. Returns the assignments of a whole batch."""
        group = None
        chain.ledger.turn_to(decision)
        try:
            if decision["type"] == "batch_dispatched":
                group = self._batch(chain, decision, groups, where)
            elif decision["type"] == "roster_changed":
                self._moved(chain, decision, where, change_differences)
            elif "outcome_type" in decision and "shares" in decision:
                self._moved(chain, decision, where, outcome_differences)
            chain.ledger.apply(decision)
        except (*_UNREADABLE, Unreadable) as error:
            self._report.errors.fault(f"the decision can't be read: {error!r}", where)
        self._compare_with_state(chain, where)
        return group

    def _moved(self, chain: Chain, decision: Json, where: Where, compare: Any) -> None:
        if not chain.ledger.complete:
            self._report.errors.not_told[BEGINS_LATE] += 1
            return
        self._differ(compare(chain.ledger, decision), where)

    def _differ(self, found: Sequence[Difference], where: Where) -> None:
        self._report.errors.checked += 1
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            self._report.errors.fault(f"{found[0]}{more}", where)

    def _batch(self, chain: Chain, decision: Json, groups: Groups, where: Where) -> Group | None:
        key = (decision["channel"], decision["state_version"])
        expected = int(decision["batch_size"]) - went_on(decision)
        group, whole = None, False
        if key[1] > self.known(key[0]):
            pass  # they may come after the end that was asked for
        elif not groups.begun(key):
            self._report.assignments.not_told[CUT_ASSIGNMENTS] += 1
        elif expected:
            group = groups.take(key)
            whole = self._is_whole(decision, group, expected, groups, where)
        else:
            whole = True
        leads = (group.leads if group else []) if whole else None
        found = batch_found(chain.ledger, decision, leads)
        self._differ(found.figures, where)
        if found.figures_lack is not None:
            self._report.errors.not_told[found.figures_lack] += 1
        if leads is not None:
            self._takers(decision, group, found.takers, found.order_lacks)
        return group if whole else None

    def _is_whole(
        self, decision: Json, group: Group | None, expected: int, groups: Groups, where: Where
    ) -> bool:
        """Whether each of the batch's leads was assigned, and once."""
        check = self._report.assignments
        found = [] if group is None else group.leads
        positions = [lead.position for lead in found]
        if group is not None and group.key == groups.late_key and len(found) < expected:
            check.not_told[CUT_ASSIGNMENTS] += 1
            return False
        check.checked += 1
        at = where if group is None else self._at(group, decision["batch_id"], where.partition)
        if len(found) != expected:
            check.fault(f"{expected} leads were decided on, {len(found)} are assigned", at)
            return False
        if sorted(set(positions)) != positions:
            check.fault("the positions in the batch don't rise", at)
            return False
        strange = [lead for lead in found if not _belongs(lead, decision)]
        if strange:
            check.fault(f"the assignment of lead {strange[0].lead_id} is not of this batch", at)
        return not strange

    def _takers(
        self, decision: Json, group: Group | None, found: list[Difference], lacks: str | None
    ) -> None:
        check = self._report.assignments
        if found:
            partition = None if group is None else self._partition
            at = Where(decision["channel"], decision["batch_id"], self._assignments, partition,
                       None if group is None else group.offset)  # fmt: skip
            check.fault(str(found[0]), at)
        elif lacks is not None:
            check.not_told[lacks] += 1

    _partition: int | None = None

    def begin(self, partition: int) -> None:
        """The decisions of another partition come."""
        self._partition = partition

    def _at(self, group: Group, batch_id: str, partition: int | None) -> Where:
        return Where(group.key[0], batch_id, self._assignments, partition, group.offset)

    def strays(self, groups: Iterable[Group], last: dict[str, int], *, begins_late: bool) -> None:
        """Assignments that no decision asked for; `last` are the newest versions of channels."""
        for group in groups:
            channel, version = group.key
            at = self._at(group, group.leads[0].batch_id, self._partition)
            chain = self.by_channel.get(channel)
            if chain is not None and chain.broken:
                self._report.assignments.not_told[BROKEN] += 1
            elif begins_late and (chain is None or version < chain.first):
                self._report.assignments.not_told[BEGINS_LATE] += 1
            elif version <= self.known(channel) or version > last.get(channel, 0):
                lead = group.leads[0].lead_id
                text = f"{len(group.leads)} assigned again, or by no decision: lead {lead}"
                self._report.assignments.fault(text, at)

    # -- states

    def _compare_with_state(self, chain: Chain, where: Where) -> None:
        """When the decision that the state is of has been applied."""
        main, ledger = self.mains.get(chain.ledger.channel), chain.ledger
        if main is None or main.state_version != chain.last or chain.broken:
            return
        chain.compared = True
        check = self._report.state
        if not ledger.complete:
            check.not_told[BEGINS_LATE] += 1
            return
        check.checked += 1
        over = ledger.denominator
        accounts = {
            name: (each.weight_millionths, each.paused, (ledger.error(name) or 0, over))
            for name, each in ledger.accounts.items()
        }
        found = members_differ(main, accounts)
        if found is not None:
            check.fault(f"the state of version {chain.last}: {found}", where)

    def end(self, channels: Iterable[str]) -> None:
        """No more decisions of these channels come; what their states say has to be there."""
        for channel in channels:
            chain, main = self.by_channel.get(channel), self.mains[channel]
            if chain is not None and chain.last < main.state_version and not chain.broken:
                chain.broken = True
                state = f"the state is version {main.state_version}"
                text = f"the decisions end with {chain.last}, {state}"
                where = Where(channel, None, self._decisions, self._partition)
                self._report.versions.fault(text, where)

    def finish(self, last: dict[str, int], partition_of: Any, starts_late: set[int]) -> None:
        """All decisions were seen; `last` are the newest versions that the changelog holds."""
        for channel, (version, where) in self._begins.items():
            if self._ends.get(channel, 0) != version - 1:
                chain = self.by_channel.get(channel)
                if chain is not None:
                    chain.broken = True
                self._report.versions.fault(f"the first decision is {version}", where)
        for channel in self.mains.keys() | self.by_channel.keys():
            partition = partition_of(channel)
            where = Where(channel, None, self._decisions, partition)
            self._finish_channel(channel, last, where, begins_late=partition in starts_late)

    def _finish_channel(
        self, channel: str, last: dict[str, int], where: Where, *, begins_late: bool
    ) -> None:
        chain, main, check = (
            self.by_channel.get(channel),
            self.mains.get(channel),
            self._report.state,
        )
        if chain is None:
            version = self.known(channel)
            if begins_late or self._ends.get(channel) == version:
                check.not_told[BEGINS_LATE] += 1
            else:
                text = f"no decision is there of a channel in version {version}"
                self._report.versions.fault(text, where)
        elif chain.broken:
            check.not_told[BROKEN] += 1
        elif main is None and channel not in last:
            check.fault("the changelog holds no state of the channel", where)
        elif chain.last > last.get(channel, 0):
            text = f"the state is version {last.get(channel, 0)}, the decisions go to {chain.last}"
            check.fault(text, where)
        elif main is not None and not chain.compared:
            check.not_told[BEGINS_LATE] += 1


def _belongs(lead: Assigned, decision: Json) -> bool:
    return (lead.batch_id, lead.batch_size) == (decision["batch_id"], decision["batch_size"])
