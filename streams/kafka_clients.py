"""Kafka clients for operators' commands, and the questions that commands ask the cluster.

In: the settings. Out: an admin client, a consumer that commits nothing, an idempotent producer;
and answers, each within `call_timeout_ms`, or `Failed` with one line that says what was asked.
The dispatcher's own clients live elsewhere: theirs are transactional and part of its protocol.
"""

import logging
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec, TopicDescription

from streams.failure import Failed, WrongUsage
from streams.kafka_complaints import Complaints, allowed_by
from streams.settings import Settings

LOOK_S: Final = 0.05
"""How often a client that is waited for is asked what it complains about."""

K = TypeVar("K")

Place = tuple[str, int]
"""A topic and the number of one of its partitions."""

_silent = logging.getLogger("partidor.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def _config(settings: Settings, **own: str | int | bool) -> dict[str, Any]:
    """The user's properties, ours above them; what the client logs is told by our own errors."""
    dotted = {name.replace("_", "."): value for name, value in own.items()}
    client_id = settings.kafka.get("client.id", f"{settings.application_id}-cli")
    return {**settings.kafka, "client.id": client_id, **dotted, "logger": _silent}


@contextmanager
def _known_properties() -> Iterator[None]:
    """What a client says to a property that doesn't exist, or to a value that it can't have."""
    try:
        yield
    except KafkaException as error:
        raise WrongUsage(f"{error.args[0].str()} (PARTIDOR_KAFKA__...)") from None


class _Admin(AdminClient):
    """Tells why it isn't answered. It says so only while it is polled, which `answer` does."""

    def __init__(self, settings: Settings) -> None:
        self.complaints = Complaints(settings.kafka)
        config: dict[str, Any] = {**_config(settings), "error_cb": self.complaints}
        super().__init__(config)


_admins: "weakref.WeakSet[_Admin]" = weakref.WeakSet()
_waited_for: list[tuple[list[_Admin], "Future[Any]"]] = []
"""Questions that were given up before their end: librdkafka aborts the process when their client
goes before them."""


def admin_client(settings: Settings) -> AdminClient:
    """For questions about topics, offsets and groups."""
    with _known_properties():
        admin = _Admin(settings)
    _admins.add(admin)
    return admin


def reader(settings: Settings, *, fetch_wait_ms: int = 500, ahead_kib: int = 65_536) -> Consumer:
    """A consumer for `assign`: it reads what is committed, joins no group, commits nothing.

    `fetch_wait_ms` is how long a broker waits for more at a partition's end; a consumer that is
    put elsewhere waits so long for the question that it asked there. `ahead_kib` is what is read
    ahead at most.
    """
    config = _config(
        settings,
        fetch_wait_max_ms=fetch_wait_ms,
        queued_max_messages_kbytes=ahead_kib,
        fetch_queue_backoff_ms=10,  # when so much is read ahead; a second by default
        fetch_error_backoff_ms=50,
        group_id=f"{settings.application_id}-cli",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        enable_partition_eof=True,
    )
    with _known_properties():
        return Consumer(config)


def producer(settings: Settings) -> Producer:
    """A producer that neither loses nor doubles nor reorders what it is given."""
    config = _config(
        settings,
        enable_idempotence=True,
        delivery_timeout_ms=settings.retry_deadline_ms,
        message_max_bytes=settings.output_bytes_max,
        linger_ms=5,
    )
    with _known_properties():
        return Producer(config)


def transactional_producer(settings: Settings, transactional_id: str) -> Producer:
    """A producer whose records become visible together; opened, it fences any other of this id.

    Raises Failed.
    """
    config = _config(
        settings,
        transactional_id=transactional_id,
        transaction_timeout_ms=settings.transaction_timeout_ms,
        message_max_bytes=settings.output_bytes_max,
        linger_ms=5,
        compression_type="lz4",
    )
    with _known_properties():
        opened = Producer(config)
    try:
        opened.init_transactions(settings.call_timeout_ms / 1000)
    except KafkaException as error:
        raise problem(settings, "no transactional producer", error.args[0]) from None
    return opened


class PartitionCounts(dict[str, int]):
    """How many partitions topics have, each asked for when it is first wanted.

    Who may write to one topic only may not ask about others. A look-up may raise Failed.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked yet."""
        super().__init__()
        self._settings = settings
        self._admin = admin_client(settings)

    def __missing__(self, topic: str) -> int:
        """Ask, and remember."""
        self.update(partition_counts(self._admin, self._settings, [topic]))
        return self[topic]


def problem(settings: Settings, what: str, error: KafkaError | None) -> Failed:
    """The one line for a question that the cluster did not answer."""
    found = (admin.complaints.why(error) for admin in list(_admins))
    why = next(filter(None, found), None)
    if why is None:
        why = error.str() + allowed_by(error) if error is not None else "no answer in time"
    return Failed(f"{what}: {why} (Kafka at {settings.bootstrap_servers})")


def answers(settings: Settings, what: str, futures: Mapping[K, Future[Any]]) -> dict[K, Any]:
    """What the cluster answers to each part of a question. Raises Failed."""
    return {key: answer(settings, what, future) for key, future in futures.items()}


def answer(settings: Settings, what: str, future: "Future[Any]") -> Any:
    """What the cluster answers. Raises Failed."""
    try:
        return outcome(settings, what, future)
    except KafkaException as error:
        raise problem(settings, what, error.args[0]) from None


def outcome(settings: Settings, what: str, future: "Future[Any]") -> Any:
    """As `answer`, but what the cluster says against it is raised as it is: KafkaException.

    Ends early when the client can't sign in: asking on would be in vain.
    """
    # The request has the same limit; the second is for the client to report it.
    deadline = time.monotonic() + settings.call_timeout_ms / 1000 + 1
    while True:
        try:
            return future.result(timeout=LOOK_S)
        except TimeoutError:
            if _in_vain(future) or time.monotonic() > deadline:
                raise problem(settings, what, None) from None


def _in_vain(future: "Future[Any]") -> bool:
    admins = list(_admins)
    for admin in admins:
        admin.poll(0)
    if all(admin.complaints.final is None for admin in admins):
        return False
    _waited_for[:] = [waited for waited in _waited_for if not waited[1].done()]
    _waited_for.append((admins, future))
    return True


def described(
    admin: AdminClient, settings: Settings, names: Iterable[str]
) -> dict[str, TopicDescription]:
    """The topics among `names` that exist. Raises Failed.

    Unlike a look at the metadata, this creates no topic on clusters that do that by themselves.
    """
    futures = admin.describe_topics(
        TopicCollection(list(names)), request_timeout=settings.call_timeout_ms / 1000
    )
    found: dict[str, TopicDescription] = {}
    for name, future in futures.items():
        try:
            found[name] = outcome(settings, f"can't describe {name}", future)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise problem(settings, f"can't describe {name}", error.args[0]) from None
    return found


def partition_counts(
    admin: AdminClient, settings: Settings, names: Iterable[str]
) -> dict[str, int]:
    """How many partitions each topic has. Raises Failed, for a topic that isn't there too."""
    wanted = list(names)
    found = described(admin, settings, wanted)
    for name in wanted:
        if name not in found:
            raise Failed(
                f"there is no topic {name} (Kafka at {settings.bootstrap_servers});"
                " `partidor topics create` creates all of them"
            )
    return {name: len(found[name].partitions) for name in wanted}


def first_offsets(
    admin: AdminClient, settings: Settings, places: Iterable[Place]
) -> dict[Place, int]:
    """Where each partition begins. Raises Failed."""
    return _offsets(admin, settings, places, OffsetSpec.earliest())


def end_offsets(
    admin: AdminClient, settings: Settings, places: Iterable[Place]
) -> dict[Place, int]:
    """Where what can be read of each partition ends: behind the last committed record."""
    return _offsets(admin, settings, places, OffsetSpec.latest())


def high_watermarks(
    admin: AdminClient, settings: Settings, places: Iterable[Place]
) -> dict[Place, int]:
    """Where each partition ends, open transactions included."""
    level = IsolationLevel.READ_UNCOMMITTED
    return _offsets(admin, settings, places, OffsetSpec.latest(), level)


def _offsets(
    admin: AdminClient,
    settings: Settings,
    places: Iterable[Place],
    spec: OffsetSpec,
    level: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict[Place, int]:
    asked = {TopicPartition(topic, partition): spec for topic, partition in places}
    if not asked:
        return {}
    futures = admin.list_offsets(
        asked,
        isolation_level=level,
        request_timeout=settings.call_timeout_ms / 1000,
    )
    found = answers(settings, "can't ask for offsets", futures)
    offsets = {(tp.topic, tp.partition): result.offset for tp, result in found.items()}
    if any(offset < 0 for offset in offsets.values()):
        # So librdkafka says that the connection broke under the question.
        raise problem(settings, "can't ask for offsets: the connection broke", None)
    return offsets


def committed_offsets(
    settings: Settings, places: Iterable[Place], *, stable: bool = False
) -> dict[Place, int]:
    """What the dispatchers' group reads next, where it has committed; it isn't joined.

    Stable: transactions that could change it are waited for.
    Raises Failed. A consumer asks, because the admin client of librdkafka 2.16 ends the process
    (SIGSEGV) when a coordinator that is just starting answers with an error.
    """
    config = _config(
        settings,
        group_id=settings.application_id,
        # An open transaction is mostly no reason to wait: what was committed before it is asked.
        isolation_level="read_committed" if stable else "read_uncommitted",
        enable_auto_commit=False,
    )
    with _known_properties():
        consumer = Consumer(config)
    try:
        asked = [TopicPartition(*place) for place in places]
        found = consumer.committed(asked, timeout=settings.call_timeout_ms / 1000)
    except KafkaException as error:
        raise problem(settings, "can't ask for committed offsets", error.args[0]) from None
    finally:
        consumer.close()
    for each in found:
        if each.error is not None:
            raise problem(settings, "can't ask for committed offsets", each.error)
    return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}


def records_between(
    settings: Settings,
    starts: Mapping[Place, int],
    ends: Mapping[Place, int],
    *,
    fetch_wait_ms: int = 500,
    ahead_kib: int = 65_536,
) -> Iterator[Message]:
    """The committed records of each partition from its start up to its end.

    Ends when all partitions are read so far; raises Failed when nothing comes for as long as
    `call_timeout_ms`.
    """
    open_places = {place for place in starts if starts[place] < ends[place]}
    if not open_places:
        return
    consumer = reader(settings, fetch_wait_ms=fetch_wait_ms, ahead_kib=ahead_kib)
    try:
        consumer.assign([TopicPartition(*place, starts[place]) for place in open_places])
        silent_since = time.monotonic()
        while open_places:
            message = consumer.poll(0.2)
            if message is None:
                if (time.monotonic() - silent_since) * 1000 > settings.call_timeout_ms:
                    raise problem(settings, "nothing can be read", None)
                continue
            place = _place(message)
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise problem(settings, f"can't read {place[0]}", error)
            silent_since = time.monotonic()
            offset = message.offset() or 0
            if error is None and place in open_places and offset < ends[place]:
                yield message
            if offset + 1 >= ends[place]:
                open_places.discard(place)
    finally:
        consumer.close()


def _place(message: Message) -> Place:
    return message.topic() or "", message.partition() or 0
