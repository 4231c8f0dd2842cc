"""Whether the topics are those that the state was made from, and fit to go on with (R2, R3, R11).

In: what the cluster says, what the changelog recorded. Out: the facts, or `InputLost` with what an
operator can do: nothing here is decided by the process itself.
"""

from collections.abc import Mapping

from dispatcher.state_records import AppliedOffsets
from streams.broker import Cluster, InputLost, TopicFacts
from streams.settings import Settings


def checked_facts(settings: Settings, cluster: Cluster) -> dict[str, TopicFacts]:
    """The topics' facts by name, found fit to run with (R3, R11).

    Raises InputLost when topics are missing, differ in partition count, or take too little.
    """
    names = [name for name, _ in settings.topics.table()]
    facts = cluster.topic_facts(names)
    missing = [name for name in names if name not in facts]
    if missing:
        raise InputLost(f"missing topics: {', '.join(missing)}; run `partidor topics create`")
    counts = {
        name: facts[name].partition_count
        for name, topic in settings.topics.table()
        if topic.copartitioned
    }
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise InputLost(
            f"partition counts differ, so a channel would be split: {listed}. If an expansion was "
            f"begun, `partidor topics expand --partitions {max(counts.values())}` ends it"
        )
    for name, topic in settings.topics.table():
        taken = int(facts[name].config.get("max.message.bytes", settings.output_bytes_max))
        if topic.holds_outputs and taken < settings.output_bytes_max:
            raise InputLost(
                f"topic {name} takes records of {taken} bytes, {settings.output_bytes_max} are "
                "needed (max.message.bytes); run `partidor topics check`"
            )
    return facts


def check_recorded(
    recorded: AppliedOffsets | None, facts: Mapping[str, TopicFacts], lead_batches: str
) -> None:
    """R2, R3: the topics are those that the state was made from. Raises InputLost otherwise."""
    if recorded is None:
        return
    count = facts[lead_batches].partition_count
    if recorded.partition_count != count:
        raise InputLost(
            f"the state was made with {recorded.partition_count} partitions, the topics have "
            f"{count}: keys hash elsewhere now. Where there are more than before, stop all "
            f"dispatchers and run `partidor topics expand --partitions {count}`: it moves the "
            "states to where keys hash to. Else restore the topics, or start with a new "
            "application id once the backlog is done"
        )
    for topic, applied in recorded.inputs.items():
        if topic in facts and applied.topic_id != facts[topic].topic_id:
            raise InputLost(
                f"topic {topic} is not the one that was read before: it was deleted and created "
                "anew, and its offsets mean other records now. Start with a new application id, "
                "or delete and create the changelog topic to begin again"
            )


def start_offset(
    topic: str, partition: int, *, committed: int | None, recorded: int | None, earliest: int
) -> int:
    """R2: from which offset an input goes on.

    The later one of the group's committed offset and the changelog's record; where there is
    neither, the earliest. Raises InputLost when that is before the log's start.
    """
    known = [offset for offset in (committed, recorded) if offset is not None]
    offset = max(known, default=earliest)
    if offset < earliest:
        raise InputLost(
            f"{topic} partition {partition}: offset {offset} is next, but the log begins at "
            f"{earliest}: {earliest - offset} records were deleted before they were processed. "
            "If that is accepted, set the group's offset to the beginning"
        )
    return offset
