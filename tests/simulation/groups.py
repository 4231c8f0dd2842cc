"""The coordinator of the consumer group: members, generations, partition assignments, offsets.

Rules: members that are silent for the session time-out, or don't join again in time when the group
rebalances, are out. A generation begins when all members have joined. Offsets are taken from a
member of the current generation only; those of an open transaction are pending, and while they are
nobody is told what is committed.
"""

from collections.abc import Callable

from .clockwork import Clockwork

Place = tuple[str, int]
Joined = Callable[[int, list[int]], None]
SWEEP_MS = 200.0


class NotAMember(Exception):
    """UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION or REBALANCE_IN_PROGRESS, in `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Member:
    def __init__(self, now_ms: float) -> None:
        self.seen_ms = now_ms
        self.joined: Joined | None = None
        self.is_in = False


class Group:
    """One group, of which every member reads the same co-partitioned topics (`range`)."""

    def __init__(
        self,
        clockwork: Clockwork,
        partitions: int,
        *,
        session_timeout_ms: float,
        rebalance_timeout_ms: float,
    ) -> None:
        self._clockwork = clockwork
        self._partitions = partitions
        self._session_timeout_ms = session_timeout_ms
        self._rebalance_timeout_ms = rebalance_timeout_ms
        self.generation = 0
        self.members: dict[str, _Member] = {}
        self._rebalancing = False
        self._deadline_ms = 0.0
        self._names = 0
        self.offsets: dict[Place, int] = {}
        self.pending: dict[int, dict[Place, int]] = {}
        self.up: Callable[[], bool] = lambda: True
        self.went_back: Callable[[Place, int, int], None] = lambda *_: None
        self.rebalances = 0
        self.rejoined_within_ms = 0.0
        """How long a poll that tells of a revocation waits for what comes next."""
        clockwork.after(SWEEP_MS, self._sweep)

    def join(self, member: str | None, joined: Joined) -> str:
        """Join, or join again; `joined` is told the generation and the partition numbers."""
        if member is None or member not in self.members:
            self._names += 1
            member = f"member-{self._names}"
            self.members[member] = _Member(self._clockwork.now_ms)
        entry = self.members[member]
        entry.joined = joined
        entry.is_in = True
        entry.seen_ms = self._clockwork.now_ms
        self._rebalance()
        return member

    def leave(self, member: str) -> None:
        """Leave at once."""
        if self.members.pop(member, None) is not None:
            self._rebalance()

    def heartbeat(self, member: str, generation: int) -> None:
        """Still there. Raises NotAMember."""
        entry = self.members.get(member)
        if entry is None:
            raise NotAMember("UNKNOWN_MEMBER_ID")
        if generation != self.generation:
            raise NotAMember("ILLEGAL_GENERATION")
        entry.seen_ms = self._clockwork.now_ms
        if self._rebalancing:
            raise NotAMember("REBALANCE_IN_PROGRESS")

    def check(self, member: str, generation: int) -> None:
        """Whether offsets of a transaction may come from this member. Raises NotAMember.

        Who is nobody (no member id, generation -1) is believed, whoever else is a member.
        """
        if not member and generation < 0:
            return
        if member not in self.members:
            raise NotAMember("UNKNOWN_MEMBER_ID")
        if generation != self.generation:
            raise NotAMember("ILLEGAL_GENERATION")

    def end_pending(self, producer_id: int, *, commit: bool) -> None:
        """A transaction has ended: its offsets count, or are forgotten."""
        offsets = self.pending.pop(producer_id, {})
        if commit:
            for place, offset in offsets.items():
                before = self.offsets.get(place, offset)
                self.offsets[place] = offset
                if offset < before:
                    self.went_back(place, before, offset)

    def committed(self, places: list[Place]) -> dict[Place, int | None] | None:
        """The committed offsets; None while a transaction could change them."""
        if any(place in offsets for offsets in self.pending.values() for place in places):
            return None
        return {place: self.offsets.get(place) for place in places}

    def _rebalance(self) -> None:
        if not self._rebalancing:
            self._rebalancing = True
            self._deadline_ms = self._clockwork.now_ms + self._rebalance_timeout_ms
        self._complete_if_all_are_in()

    def _complete_if_all_are_in(self) -> None:
        if not all(entry.is_in for entry in self.members.values()):
            return
        self._rebalancing = False
        self.generation += 1
        self.rebalances += 1
        names = sorted(self.members)
        for place, name in enumerate(names):
            entry = self.members[name]
            entry.is_in = False
            entry.seen_ms = self._clockwork.now_ms
            per, more = divmod(self._partitions, len(names))
            first = place * per + min(place, more)
            mine = list(range(first, first + per + (place < more)))
            if entry.joined is not None:
                entry.joined(self.generation, mine)
                entry.joined = None

    def _sweep(self) -> None:
        now_ms = self._clockwork.now_ms
        if not self.up():
            # After its restart the coordinator gives everybody a whole session.
            for entry in self.members.values():
                entry.seen_ms = now_ms
        gone = [
            name
            for name, entry in self.members.items()
            if not entry.is_in and now_ms - entry.seen_ms > self._session_timeout_ms
        ]
        if self._rebalancing and now_ms > self._deadline_ms:
            gone += [name for name, entry in self.members.items() if not entry.is_in]
        for name in dict.fromkeys(gone):
            del self.members[name]
        if gone:
            self._rebalance()
        self._clockwork.after(SWEEP_MS, self._sweep)
