"""What is fuzzed: each decoder of something that somebody else wrote.

In: bytes. A target returns for everything that its decoder takes, and for what it refuses in the
way that it promises; anything else that is raised is a finding, as is an answer that contradicts
another one (`AssertionError`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Message

from dispatcher.events import InputRef
from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records, read_applied_offsets, read_state
from streams.assign_state import read_assign_state
from streams.audit.decision_log import Ledger, Unreadable, decision_of
from streams.audit.log_reading import typed_lines
from streams.csv_tables import read_table
from streams.dead_letter_desk import _complaint, _letter, _retry_key
from streams.failure import Failed
from streams.intake import Refused, read_change, read_outcome
from streams.lead_files import batch_events
from streams.publishing import event_lines
from streams.redis_address import checked_redis_address
from streams.replay import Replay
from streams.roster_files import read_members
from streams.secret_files import MASK, without_password
from streams.settings import Settings
from streams.state_reader import read_statuses
from streams.views.decision_archive import DecisionArchive
from streams.views.lead_archive import LeadArchive
from streams.views.partitions import PartitionStandings
from streams.views.refusals import _reason
from streams.watching import _watched
from tests import reading
from tests.fuzz import network_targets
from tests.fuzz.scratch import scratch

REFERENCE: Final = InputRef("leads.batches", 0, 0)
NARROW: Final = Limits(
    attributes_bytes_max=300,
    nesting_max=7,
    leads_per_batch_max=50,
    members_max=20,
    parked_leads_per_channel_max=100,
)
NOW: Final = "2026-11-21T09:00:00Z"

Target = Callable[[bytes], None]


def batches(data: bytes) -> None:
    """Lead batches, read quickly and by the models: both say the same."""
    for limits in reading.LIMITS:
        found = reading.difference(data, limits)
        assert found is None, found


def changes(data: bytes) -> None:
    """Roster changes."""
    try:
        read_change(data, NARROW, REFERENCE, NOW)
    except Refused:
        return


def outcomes(data: bytes) -> None:
    """What became of leads."""
    try:
        read_outcome(data, NARROW, REFERENCE, NOW)
    except Refused:
        return


def story(data: bytes) -> None:
    """Lines of events, decided: errors add up to zero, states and decisions are readable again."""
    replay = Replay(NARROW)
    partition = PartitionStandings(0)
    ledgers: dict[str, Ledger] = {}
    offset = 0
    for line in data.splitlines()[:20]:
        for output in replay.lines([line]):
            decision = decision_of(output)
            if decision is None:
                assert _watched(output) is not None or b'"type":"dead_letter"' in output, output
                continue
            partition.receive(offset, output, 0)
            offset += 1
            ledger = ledgers.setdefault(decision["channel"], Ledger(decision["channel"]))
            assert ledger.turn_to(decision)
            ledger.apply(decision)
    assert partition.unreadable == 0
    for state in replay.states.values():
        assert sum(state.errors) == 0
        records = {key: value for key, value in all_records(state) if value is not None}
        again = read_state(records)
        assert {k: v for k, v in all_records(again) if v is not None} == records


def states(data: bytes) -> None:
    """What stands in Redis and in the changelog: records of a channel, offsets, statuses."""
    read_statuses([data])
    try:
        read_applied_offsets(data)
    except msgspec.DecodeError:
        pass
    fields = _fields(data)
    records = {name.encode(): value for name, value in fields.items()}
    try:
        state = read_state(records)
    except (msgspec.DecodeError, KeyError):
        pass
    else:
        assert isinstance(state, ChannelState)


def _fields(data: bytes) -> Mapping[str, bytes]:
    """A JSON object's fields, each still as JSON."""
    try:
        found = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return {name: bytes(raw) for name, raw in found.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"web": data}


def decisions(data: bytes) -> None:
    """What anybody who may write there put into the topic of decisions: the views and the audit."""
    partition = PartitionStandings(0)
    ledger = Ledger("web")
    for offset, line in enumerate(data.split(b"\n")[:20]):
        partition.receive(offset, line, 0)
        decision = decision_of(line)
        if decision is not None and ledger.turn_to(decision):
            try:
                ledger.apply(decision)
            except Unreadable:
                ledger = Ledger("web")
    _Archives.keep(partition)
    try:
        for _ in typed_lines(iter(data.split(b"\n"))):  # type: ignore[arg-type]  # lines are all it takes
            pass
    except Failed:
        return


_ARCHIVED_MAX: Final = 10_000


class _Archives:
    """Kept open: to make one takes longer than to use it."""

    archive: LeadArchive | None = None
    of_decisions: DecisionArchive | None = None
    next_offset = 0

    @classmethod
    def keep(cls, partition: PartitionStandings) -> None:
        if cls.of_decisions is None:
            directory = scratch()
            cls.of_decisions = DecisionArchive(directory, "topic", 0)
        cls.of_decisions.keep(partition.everything(), whole=True)

    @classmethod
    def add(cls, values: list[bytes]) -> None:
        if cls.archive is None:
            directory = scratch()
            cls.archive = LeadArchive(directory, "topic", 0)
        offset = cls.next_offset
        cls.next_offset += len(values)
        records: list[tuple[int, bytes | None]] = list(enumerate(values, start=offset))
        cls.archive.add(records, cls.next_offset)
        if cls.next_offset > _ARCHIVED_MAX:
            cls.archive.clear()
            cls.next_offset = 0


def assignments(data: bytes) -> None:
    """The same for assignments: what `watch` shows, and what the views keep."""
    for line in data.split(b"\n")[:5]:
        _watched(line)
    _Archives.add(data.split(b"\n")[:5])


def tables(data: bytes) -> None:
    """Files of leads and of rosters."""
    try:
        table = read_table(data, "leads.csv")
    except Failed:
        return
    try:
        batch_events(table, "web", None, NOW, NARROW)
    except Failed:
        pass
    try:
        read_members(table)
    except Failed:
        return


def files(data: bytes) -> None:
    """Files of events (`publish`), and the state file of `assign`."""
    try:
        list(event_lines(data.split(b"\n")[:20], "events", NARROW))
    except Failed:
        pass
    try:
        read_assign_state(data).channel("web")
    except Failed:
        return


def dead_letters(data: bytes) -> None:
    """Headers and values of dead letters; the first line is the value, others NAME=VALUE."""
    value, *lines = data.split(b"\n")[:20]
    headers = []
    for line in lines:
        name, _, text = line.partition(b"=")
        headers.append((name.decode(errors="replace"), text or None))
    message = Message(
        topic="dispatch.dead-letters",
        partition=0,
        offset=1,
        key=lines[0] if lines else None,
        value=value,
        headers=headers,
        timestamp=(1, 1),
    )
    letter = _letter(message)
    assert len(_reason(message)) <= 100
    _complaint(letter, ["leads.batches"])
    for key_from_channel in (False, True):
        _retry_key(letter, key_from_channel=key_from_channel)
    assert isinstance(letter.is_digest, bool)


def addresses(data: bytes) -> None:
    """Addresses of Redis, which may hold passwords."""
    text = data.decode(errors="replace")
    without_password(text)
    password = text.replace("@", "").replace(MASK, "")
    if password.strip("*"):
        shown = without_password(f"redis://user:{password}@localhost:6379/0")
        # What follows is left out where it could be part of a password.
        assert f"{shown}@localhost:6379/0".startswith(f"redis://user:{MASK}@localhost:6379/0")
    try:
        checked_redis_address(Settings(redis_url=text))
    except Failed:
        return


class Fuzzed(NamedTuple):
    """A target, and what its inputs are made of to begin with."""

    target: Target
    seeds: Callable[[], list[bytes]]


def _event(**fields: Any) -> bytes:
    return json.dumps({"schema_version": 1, "channel": "web", "created_at": NOW, **fields}).encode()


def _golden() -> list[bytes]:
    directory = Path(__file__).parents[1] / "unit" / "schemas" / "golden"
    return [path.read_bytes().strip() for path in sorted(directory.rglob("*")) if path.is_file()]


_SHORT_BYTES_MAX: Final = 1_500
BOMBS: Final = (
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b'{"leads":' + b"[" * 400 + b"]" * 400 + b"}",
    b'{"amount":1' + b"0" * 5_000 + b"}",
    b'{"weight":"1e999999999"}',
    b'{"n":1e400,"m":-1e-400,"k":' + b"9" * 400 + b"}",
    b'{"lead_id":"\\ud800","x":"\\udfff\\ud800"}',
    b'{"a":"\\u0000"}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe",
    b'{"a":1,"a":2}',
)


def _roster() -> list[bytes]:
    members = [
        {"assignee_id": name, "weight": weight} for name, weight in (("A", "1"), ("B", "0.5"))
    ]
    return [
        _event(type="roster_replaced", change_id="c1", members=members),
        _event(type="assignee_joined", change_id="c2", assignee_id="C", weight="2"),
        _event(type="channel_configured", change_id="c3", time_zone="Australia/Sydney"),
        _event(type="assignee_paused", change_id="c4", assignee_id="A", until=NOW),
        _event(type="cumulative_error_corrected", change_id="c5", assignee_id="A", amount="-3"),
        _event(type="limits_changed", change_id="c6", assignee_id="A", limits=[]),
    ]


def _batch(batch_id: str, leads: int) -> bytes:
    return _event(
        type="lead_batch",
        batch_id=batch_id,
        leads=[{"lead_id": f"L{n}", "attributes": {"n": n}} for n in range(leads)],
    )


def _stories() -> list[bytes]:
    told = [*_roster(), _batch("b1", 5), _batch("b2", 3), _batch("b1", 5)]
    parked = [_batch("p1", 3), *_roster()]
    closed = _event(type="lead_closed", outcome_id="o1", lead_id="L1", assignee_id="A")
    returned = _event(type="lead_returned", outcome_id="o2", lead_id="L1", assignee_id="A")
    return [b"\n".join(told), b"\n".join(parked), b"\n".join([*told, closed, returned])]


def _told() -> Replay:
    replay = Replay(NARROW)
    list(replay.lines(_stories()[0].splitlines()))
    return replay


def _decided() -> list[bytes]:
    lines = list(Replay(NARROW).lines(_stories()[0].splitlines()))
    return [b"\n".join(lines), *lines[:40]]


def _records() -> list[bytes]:
    state = _told().states["web"]
    parked = Replay(NARROW)
    list(parked.lines([_batch("p1", 3)]))
    return [
        msgspec.json.encode(
            {key.decode(): msgspec.Raw(value) for key, value in all_records(each) if value}
        )
        for each in (state, parked.states["web"])
    ]


def _state_files() -> list[bytes]:
    channels = {"web": {"records": msgspec.Raw(_records()[0]), "results": []}}
    head = {"type": "partidor_state", "schema_version": 1}
    return [msgspec.json.encode({**head, "channels": channels})]


FUZZED: Final[Mapping[str, Fuzzed]] = {
    "batches": Fuzzed(batches, lambda: [_batch("b1", 3), *_golden()]),
    "changes": Fuzzed(changes, lambda: [*_roster(), *_golden()]),
    "outcomes": Fuzzed(outcomes, _golden),
    "story": Fuzzed(story, lambda: [*_stories(), *_golden()]),
    "states": Fuzzed(states, lambda: [*_records(), b'{"slot":"0","partitions":{}}']),
    "decisions": Fuzzed(decisions, lambda: [*_decided(), *_golden()]),
    "assignments": Fuzzed(assignments, lambda: [*_decided(), *_golden()]),
    "tables": Fuzzed(
        tables,
        lambda: [
            b"lead_id,phone\nL1,+61\nL2,\n",
            b'assignee_id;weight;paused\nA;"0,8";no\nB;1;yes\n',
            b'\xef\xbb\xbflead_id\tname\r\nL1\t"a\r\nb"\r\n',
        ],
    ),
    "files": Fuzzed(files, lambda: [*_state_files(), *_stories()]),
    "dead-letters": Fuzzed(
        dead_letters,
        lambda: [
            _batch("b1", 1)
            + b"\npartidor-topic=leads.batches\npartidor-partition=1\npartidor-offset=2"
            b"\npartidor-timestamp=3\npartidor-reason=not_json\npartidor-detail=x\ntrace=1",
            b'{"value_sha256":"x","offset":2}\npartidor-offset=2',
        ],
    ),
    "addresses": Fuzzed(
        addresses,
        lambda: [
            b"redis://localhost:6379/0",
            b"rediss://u:p@h:1/0?ssl_ca_certs=x&ssl_password=y",
            b"unix:///x?password=y&db=1",
        ],
    ),
    "networks": Fuzzed(network_targets.networks, network_targets.network_seeds),
    "plans": Fuzzed(network_targets.plans, network_targets.plan_seeds),
    "loan-logs": Fuzzed(network_targets.loan_logs, network_targets.loan_log_seeds),
}


def seeds(name: str) -> list[bytes]:
    """What a target begins with: valid inputs, and what blows up careless decoders."""
    valid = FUZZED[name].seeds()
    return [*valid, *_with_huge_numbers(valid), *BOMBS, b""]


def _with_huge_numbers(valid: list[bytes]) -> Iterator[bytes]:
    """Each number of each short input made larger than 64 bits, one after the other."""
    for text in valid:
        if len(text) < _SHORT_BYTES_MAX:
            for number in re.finditer(rb"(?<=[:,\[])-?\d+(?=[,}\]])", text):
                yield text[: number.start()] + b"9" * 30 + text[number.end() :]
