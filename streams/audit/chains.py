"""The decisions of channels held one by one against those before them, and against their states.

In: decisions in order of their partition, the assignments of each, the states that the changelog
holds. Out: faults of `versions`, `errors`, `assignments` and `state`. Pure.

A channel's state in the changelog, read before the decisions, says up to where everything of it
has to be there. What was decided later is held against what came before it, and no more: its
assignments may come after the end that was asked for.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

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
    """A channel's decisions on one partition so far.

    Attributes:
        ledger: after the last of them.
        first, last: versions; where the first stands.
        begins_late: whether retention has cut off what its log held before.
    """

    def __init__(self, ledger: Ledger, first: int, where: Where, *, begins_late: bool) -> None:
        """Before the first decision that the log holds."""
        self.ledger = ledger
        self.first = self.last = first
        self.where = where
        self.begins_late = begins_late


class Stretch(NamedTuple):
    """The decisions of a channel that one partition holds, by version, ends included."""

    first: int
    last: int
    where: Where
    begins_late: bool


class Chains:
    """All channels whose decisions were seen.

    Topics may have been expanded: then a channel's decisions stand in stretches on several
    partitions, which together have to be one chain.
    """

    def __init__(
        self,
        report: Report,
        decisions_topic: str,
        assignments_topic: str,
        partition_of: Callable[[str], int],
    ) -> None:
        """Nothing seen; `partition_of` says where a channel belongs now."""
        self._report = report
        self._decisions = decisions_topic
        self._assignments = assignments_topic
        self._partition_of = partition_of
        self._partition = 0
        # Of the partition that is walked.
        self._chains: dict[str, Chain] = {}
        self._stretches: dict[str, list[Stretch]] = {}
        self._carried: dict[str, Ledger] = {}
        self._broken: set[str] = set()
        self._compared: set[str] = set()
        self.mains: dict[str, MainRead] = {}

    def begin(self, partition: int) -> None:
        """The decisions of another partition come."""
        self._end_partition()
        self._partition = partition

    def _end_partition(self) -> None:
        for channel, chain in self._chains.items():
            stretch = Stretch(chain.first, chain.last, chain.where, chain.begins_late)
            self._stretches.setdefault(channel, []).append(stretch)
            if self._partition_of(channel) != self._partition:
                # It goes on elsewhere.
                self._carried[channel] = chain.ledger
        self._chains.clear()

    def known(self, channel: str) -> int:
        """The version up to which everything of a channel has to be there."""
        main = self.mains.get(channel)
        return 0 if main is None else main.state_version

    def is_broken(self, channel: str) -> bool:
        """Whether a decision of it is missing, or came again."""
        return channel in self._broken

    def is_past(self, key: tuple[str, int]) -> bool:
        """Whether a decision of this partition has gone by."""
        chain = self._chains.get(key[0])
        return chain is not None and chain.last >= key[1]

    # -- versions

    def turn_to(self, decision: Json, where: Where, *, begins_late: bool) -> Chain | None:
        """The chain that the decision continues; None if it is one that was there before."""
        channel, version = decision["channel"], decision["state_version"]
        self._report.versions.checked += 1
        chain = self._chains.get(channel)
        if chain is None:
            ledger = self._carried.pop(channel, None)
            if ledger is None or ledger.state_version != version - 1:
                ledger = Ledger(channel)
            chain = Chain(ledger, version, where, begins_late=begins_late)
            self._chains[channel] = chain
        elif version <= chain.last:
            self._again(channel, version, chain.last, where)
            return None
        elif version != chain.last + 1:
            self._missing(channel, version, chain.last, where)
        chain.last = version
        return chain

    def _again(self, channel: str, version: int, last: int, where: Where) -> None:
        self._broken.add(channel)
        self._report.versions.fault(f"decision {version} comes again after {last}", where)

    def _missing(self, channel: str, version: int, last: int, where: Where) -> None:
        self._broken.add(channel)
        missing = version - last - 1
        text = f"decision {version} follows {last}: {missing} missing between them"
        self._report.versions.fault(text, where)

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

    def _at(self, group: Group, batch_id: str, partition: int | None) -> Where:
        return Where(group.key[0], batch_id, self._assignments, partition, group.offset)

    def strays(
        self, groups: Iterable[Group], last: Mapping[str, int], *, begins_late: bool
    ) -> None:
        """Assignments that no decision asked for; `last` are the newest versions of channels."""
        for group in groups:
            channel, version = group.key
            at = self._at(group, group.leads[0].batch_id, self._partition)
            chain = self._chains.get(channel)
            if self.is_broken(channel):
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
        ledger = chain.ledger
        channel = ledger.channel
        main = self.mains.get(channel)
        if main is None or main.state_version != chain.last or self.is_broken(channel):
            return
        self._compared.add(channel)
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

    def end(self) -> None:
        """No more decisions come on this partition; what states say has to be there."""
        for channel, chain in self._chains.items():
            if self._partition_of(channel) == self._partition:
                self._ends_early(channel, chain.last)

    def _ends_early(self, channel: str, last: int) -> None:
        version = self.known(channel)
        if last < version and not self.is_broken(channel):
            self._broken.add(channel)
            where = Where(channel, None, self._decisions, self._partition_of(channel))
            text = f"the decisions end with {last}, the state is version {version}"
            self._report.versions.fault(text, where)

    def finish(self, last: Mapping[str, int], starts_late: Collection[int]) -> None:
        """All decisions were seen.

        Args:
            last: the newest versions that the changelog holds, by channel.
            starts_late: partitions where retention has cut off the beginning of the decisions.
        """
        self._end_partition()
        for channel, stretches in self._stretches.items():
            self._join(channel, sorted(stretches, key=lambda each: each[:2]))
        for channel in self.mains.keys() | self._stretches.keys():
            self._finish_channel(channel, last, starts_late)

    def _join(self, channel: str, stretches: Sequence[Stretch]) -> None:
        """Whether the stretches of a channel are one chain from its first decision on."""
        last = 0
        for number, each in enumerate(stretches):
            if each.first > last + 1 and each.begins_late:
                self._report.versions.not_told[BEGINS_LATE] += 1
            elif each.first <= last:
                self._again(channel, each.first, last, each.where)
            elif each.first > last + 1 and not number:
                self._broken.add(channel)
                self._report.versions.fault(f"the first decision is {each.first}", each.where)
            elif each.first > last + 1:
                self._missing(channel, each.first, last, each.where)
            last = max(last, each.last)

    def _finish_channel(
        self, channel: str, last: Mapping[str, int], starts_late: Collection[int]
    ) -> None:
        main, check = self.mains.get(channel), self._report.state
        partition = self._partition_of(channel)
        where = Where(channel, None, self._decisions, partition)
        newest = max((each.last for each in self._stretches.get(channel, ())), default=0)
        if not newest:
            if partition in starts_late:
                check.not_told[BEGINS_LATE] += 1
            else:
                text = f"no decision is there of a channel in version {self.known(channel)}"
                self._report.versions.fault(text, where)
            return
        self._ends_early(channel, newest)
        if self.is_broken(channel):
            check.not_told[BROKEN] += 1
        elif main is None and channel not in last:
            check.fault("the changelog holds no state of the channel", where)
        elif newest > last.get(channel, 0):
            text = f"the state is version {last.get(channel, 0)}, the decisions go to {newest}"
            check.fault(text, where)
        elif main is not None and channel not in self._compared:
            check.not_told[BEGINS_LATE] += 1


def _belongs(lead: Assigned, decision: Json) -> bool:
    return (lead.batch_id, lead.batch_size) == (decision["batch_id"], decision["batch_size"])
