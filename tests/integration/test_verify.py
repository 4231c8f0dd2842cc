"""`partidor verify` on real servers: sound systems are found sound, and each fault by its check."""

import json
from collections.abc import Callable
from dataclasses import replace

from confluent_kafka import TopicPartition

from schemas.partitioning import partition_of
from streams.audit.findings import Report
from streams.audit.verifying import verify
from tests.reference import events
from tests.reference.histories import history
from tests.support.installation import Installation
from tests.support.quiet import wait_until_quiet
from tests.support.records import Json, Record
from tests.support.spoiling import Records, Spoil, SpoiledCopy, changed, everything
from tests.support.traffic import day, rosters

EVENTS = 25
MIXES: tuple[dict[str, bool], ...] = (
    {},
    {"rules": True},
    {"rules": True, "outcomes": True},
    {"rules": True, "outcomes": True, "sticky": True},
    {"rules": True, "values": True},
    {"rules": True, "values": True, "outcomes": True, "sticky": True},
)


def told(report: Report) -> list[str]:
    """What was found, for messages."""
    return [f"{check.name}: {each}" for check in report.checks for each in check.findings]


def publish_histories(installation: Installation) -> None:
    """Random ones, each on channels of its own; with what is refused."""
    for seed in range(2 * len(MIXES)):
        mix = MIXES[seed % len(MIXES)]
        for event in history(seed, channels=1, events=EVENTS, **mix):
            name = f"history-{seed}"
            own = event.get("channel") == "channel-1"
            renamed = {**event, "channel": name} if own else event
            installation.publisher.publish([renamed], key=name)
    for seed in range(4):
        mix = {"rules": seed > 1, "outcomes": seed == 3, "routes": True}
        for event in history(seed, channels=3, events=EVENTS, valid_only=seed % 2 == 0, **mix):
            if str(event.get("channel")).startswith("channel-"):
                installation.publisher.publish([event])


def test_a_sound_system_is_found_sound_whatever_happened_on_it(installation: Installation) -> None:
    """Random histories of everything: rules, outcomes, sticky owners, values, limits, refusals."""
    installation.started()
    publish_histories(installation)
    wait_until_quiet(installation)
    report = verify(installation.settings)
    assert report.is_sound, told(report)
    for check in report.checks:
        assert check.checked, check.name


def test_a_system_at_work_is_found_sound_all_the_while(installation: Installation) -> None:
    """Two dispatchers go on, one of them is killed; what isn't decided yet is no fault."""
    installation.start("0")
    other = installation.start("1")
    installation.publish(rosters(6))
    looks = 0
    for part in range(4):
        installation.publish(day(5_000, 6, seed=part + 1))
        if part == 2:
            other.kill()
        report = verify(installation.settings)
        assert report.is_sound, told(report)
        looks += 1
    installation.wait_until_processed()
    report = verify(installation.settings)
    assert report.is_sound, told(report)
    assert report.leads.checked == looks * 5_000


def test_what_retention_has_cut_off_is_said_and_not_called_fine(
    installation: Installation,
) -> None:
    """Leads are kept for less long than decisions; here one batch of them is cut off."""
    installation.started()
    for number in range(3):
        installation.process(
            [events.roster("r", {"A": "1", "B": "2"}, "web"), events.lead_batch(f"b{number}", 3)]
        )
    partition = partition_of(b"web", installation.partitions)
    topics = installation.topics
    for topic, offset in ((topics.assignments, 3), (topics.lead_batches, 1)):
        place = TopicPartition(topic, partition, offset)
        for future in installation.admin.delete_records([place]).values():
            future.result(30)
    report = verify(installation.settings)
    assert report.is_sound, told(report)
    verdicts = {check.name: check.verdict for check in report.checks}
    assert verdicts["assignments"] == verdicts["inputs"] == "ok in part"
    assert verdicts["versions"] == verdicts["errors"] == verdicts["state"] == "ok"


# -- systems with a fault


def is_dispatched(record: Record) -> bool:
    """Whether it is a decision on a batch with leads."""
    return record.event["type"] == "batch_dispatched" and bool(record.event["batch_size"])


def numbers(records: Records, is_one: Callable[[Record], bool]) -> list[int]:
    """Where such records stand."""
    return [number for number, record in enumerate(records) if is_one(record)]


def without(is_one: Callable[[Record], bool], which: int = 0) -> Spoil:
    """One of these records is lost."""

    def spoil(records: Records) -> Records:
        del records[numbers(records, is_one)[which]]
        return records

    return spoil


def again(is_one: Callable[[Record], bool]) -> Spoil:
    """The first of these records comes once more, at the end."""
    return lambda records: [*records, records[numbers(records, is_one)[0]]]


def everyone(record: Record) -> bool:
    """Any record."""
    del record
    return True


def error_moved(records: Records) -> Records:
    """A decision in the middle leaves other errors, which add up as well."""

    def move(event: Json) -> None:
        for row, by in zip(event["shares"][:2], (1, -1), strict=True):
            row["cumulative_error_numerator"] = str(int(row["cumulative_error_numerator"]) + by)

    return changed(numbers(records, is_dispatched)[1], move)(records)


def share_moved(records: Records) -> Records:
    """A fair share in the middle is shown as another."""
    number = numbers(records, is_dispatched)[1]
    return changed(number, lambda e: e["shares"][0].update(fair_share="0.000000000001"))(records)


def exchanged(records: Records) -> Records:
    """Two leads of a batch went to each other's assignee."""
    one = next(n for n, r in enumerate(records) if r.event["batch_size"] > 9)
    other = next(
        n
        for n, r in enumerate(records)
        if r.event["state_version"] == records[one].event["state_version"]
        and r.event["channel"] == records[one].event["channel"]
        and r.event["assignee_id"] != records[one].event["assignee_id"]
    )
    names = [records[n].event["assignee_id"] for n in (other, one)]
    for number, name in zip((one, other), names, strict=True):
        records = changed(number, lambda event, name=name: event.update(assignee_id=name))(records)
    return records


def state_moved(records: Records) -> Records:
    """The newest state of a channel owes somebody more."""
    number = numbers(records, lambda r: r.key == b"channel-0")[-1]

    def move(state: Json) -> None:
        state["members"][0][3] = str(int(state["members"][0][3]) + 1)

    return changed(number, move)(records)


def nobody_waits(records: Records) -> Records:
    """What is parked is gone from the state."""
    number = numbers(records, lambda r: b"/parked/" in (r.key or b""))[-1]
    return [*records, replace(records[number], value=None)]


def one_lead_more(records: Records) -> Records:
    """A batch had a lead that was never heard of again."""
    number = numbers(records, lambda r: len(r.event["leads"]) > 1)[0]
    return changed(number, lambda event: event["leads"].append({"lead_id": "more"}))(records)


def refused(reason: str) -> Callable[[Record], bool]:
    """A dead letter for this reason."""
    return lambda record: record.errors["reason"] == reason


TOPIC_FAULTS: dict[str, tuple[str, str, Spoil]] = {
    "an assignment is doubled": ("assignments", "leads.assignments", again(everyone)),
    "an assignment is missing": ("assignments", "leads.assignments", without(everyone)),
    "two leads are exchanged": ("assignments", "leads.assignments", exchanged),
    "another lead is assigned": (
        "leads",
        "leads.assignments",
        changed(0, lambda event: event.update(lead_id="never-came")),
    ),
    "a decision is missing": ("versions", "dispatch.decisions", without(is_dispatched, 1)),
    "the last decision is missing": ("versions", "dispatch.decisions", without(is_dispatched, -1)),
    "a decision is doubled": ("versions", "dispatch.decisions", again(is_dispatched)),
    "an error is wrong": ("errors", "dispatch.decisions", error_moved),
    "a fair share is wrong": ("errors", "dispatch.decisions", share_moved),
    "a dead letter is missing": (
        "inputs",
        "dispatch.dead-letters",
        without(refused("not_a_member")),
    ),
    "a refused lead has no dead letter": (
        "leads",
        "dispatch.dead-letters",
        without(refused("duplicate_lead")),
    ),
    "a lead is in no decision": ("leads", "leads.batches", one_lead_more),
    "a state is wrong": ("state", "dispatch.changelog", state_moved),
    "what waits is lost": ("leads", "dispatch.changelog", nobody_waits),
}


def only(report: Report) -> set[str]:
    """The checks that found something."""
    return {check.name for check in report.checks if check.faults}


def test_each_fault_is_found_by_its_own_check(installation: Installation) -> None:
    """A system is copied by hand, and one thing is wrong in each copy; none has no fault at all."""
    dispatcher = installation.started()
    installation.publish(rosters(2))
    installation.process(day(300, 2))
    twice = ["T1", "T1", "T2"]
    installation.process(
        [
            events.change("assignee_left", "s", "channel-1", assignee_id="stranger"),
            events.lead_batch("waits", 3, "nobody-there"),
            events.lead_batch("twice", twice, "channel-0"),
            events.lead_batch("last", 5, "channel-0"),
        ]
    )
    dispatcher.stop()
    records = everything(installation)
    sound = SpoiledCopy(installation, records, f"{installation.name}-sound")
    with sound.installation:
        sound.complete({})
        report = verify(sound.installation.settings)
        assert report.is_sound, told(report)
        check_redis_faults(sound.installation)
        for topic, by in (("leads.batches", -1), ("leads.batches", 1), ("roster.changes", -1)):
            sound.commit({topic: by})
            report = verify(sound.installation.settings)
            assert only(report) == {"offsets"}, told(report)
    for number, (what, (check, topic, spoil)) in enumerate(TOPIC_FAULTS.items()):
        copy = SpoiledCopy(installation, records, f"{installation.name}-{number}")
        with copy.installation:
            copy.complete({topic: spoil})
            report = verify(copy.installation.settings)
            assert only(report) == {check}, (what, told(report))


def check_redis_faults(installation: Installation) -> None:
    """A field altered, one more, one less, and a restore point that can't be."""
    partition = partition_of(b"channel-0", installation.partitions)
    name = installation.redis_key(partition)
    kept = dict(installation.redis.hgetall(name))  # type: ignore[arg-type]
    point = json.loads(kept[b"restore-point"])
    later = json.dumps({**point, "next_offset": point["next_offset"] + 1})
    strange = json.dumps({**point, "topic_id": "another"})
    for named, value in (
        ("channels/channel-0", "{}"),
        ("channels/more", "{}"),
        ("restore-point", later),
        ("restore-point", strange),
    ):
        installation.redis.hset(name, named, value)
        report = verify(installation.settings)
        assert only(report) == {"Redis"}, (named, told(report))
        installation.redis.delete(name)
        installation.redis.hset(name, mapping=kept)
    installation.redis.hdel(name, "channels/channel-0")
    assert only(verify(installation.settings)) == {"Redis"}
    installation.redis.delete(name)
    (check,) = [each for each in verify(installation.settings).checks if each.name == "Redis"]
    assert check.not_told
    installation.redis.hset(name, mapping=kept)
