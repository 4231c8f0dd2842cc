import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from streams.views import decision_archive
from streams.views.decisions import read_decision
from streams.views.keeping import Keeper
from streams.views.partitions import PartitionStandings
from tests.views_process.material import random_decisions

VALUES = random_decisions(7, channels=3, events=150)
WRITTEN_MS = 1_795_300_000_000


def counted(held: PartitionStandings, values: list[bytes], first_offset: int = 0) -> None:
    """Records are counted, every third offset, as markers leave gaps."""
    for place, value in enumerate(values):
        held.receive(first_offset + place * 3, value, WRITTEN_MS + place * 700)


def keep(keeper: Keeper, held: PartitionStandings) -> None:
    """Write what is new."""
    asyncio.run(keeper.keep(held))


def loaded(keeper: Keeper, number: int = 0) -> PartitionStandings:
    """A new partition, with what is kept of it."""
    held = PartitionStandings(number)
    keeper.load(held)
    return held


def all_decisions(keeper: Keeper, channel: str) -> list[int]:
    """The versions in the index, newest first."""
    page = decision_archive.page(keeper.path(0), channel, None, 10_000)
    return [each.state_version for each in page]


def assert_same(found: PartitionStandings, held: PartitionStandings) -> None:
    """Standings, activity, delays and next offset are the same."""
    assert found.channels == held.channels
    assert found.activities == held.activities
    assert found.delays.minutes == held.delays.minutes
    assert found.next_offset == held.next_offset


def test_what_is_kept_comes_back_exactly(tmp_path: Path) -> None:
    """Whatever the size of the numbers; the index has every decision once."""
    keeper = Keeper(tmp_path / "a", "topic-1")
    held = loaded(keeper)
    counted(held, VALUES)
    keep(keeper, held)
    found = loaded(Keeper(tmp_path / "a", "topic-1"))
    assert_same(found, held)
    assert not found.caught_up
    versions: dict[str, list[int]] = {}
    for decision in map(read_decision, VALUES):
        versions.setdefault(decision.channel, []).append(decision.state_version)
    for channel, written in versions.items():
        assert all_decisions(keeper, channel) == sorted(written, reverse=True)


def test_what_is_kept_bit_by_bit_is_the_same(tmp_path: Path) -> None:
    """Only what is new is written, and whatever is in a file is of one moment."""
    keeper = Keeper(tmp_path, "topic-1")
    held = loaded(keeper)
    for start in range(0, len(VALUES), 40):
        counted(held, VALUES[start : start + 40], start * 3)
        keep(keeper, held)
        assert_same(loaded(Keeper(tmp_path, "topic-1")), held)


def test_what_another_process_wrote_is_not_mixed_with_ours(tmp_path: Path) -> None:
    """One that lost the partition and doesn't know it writes once more; the next write is whole."""
    ours, zombie = Keeper(tmp_path, "topic-1"), Keeper(tmp_path, "topic-1")
    held, late = loaded(ours), loaded(zombie)
    counted(held, VALUES[:100])
    keep(ours, held)
    counted(late, VALUES[:60])
    keep(zombie, late)
    counted(held, VALUES[100:], 300)
    keep(ours, held)
    assert_same(loaded(Keeper(tmp_path, "topic-1")), held)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE identity SET value = '0' WHERE name = 'format'",
        "UPDATE identity SET value = 'topic-2' WHERE name = 'topic_id'",
        "UPDATE identity SET value = '3' WHERE name = 'partition'",
        "UPDATE channels SET standing = '{}'",
        "UPDATE channels SET standing = 'no JSON'",
        "UPDATE progress SET delays = '[]'",
        "DROP TABLE channels",
    ],
)
def test_a_file_that_does_not_fit_is_none(tmp_path: Path, damage: str) -> None:
    """Of another topic, of another version, of another partition, broken: all is read again."""
    keeper = Keeper(tmp_path, "topic-1")
    held = loaded(keeper)
    counted(held, VALUES)
    keep(keeper, held)
    keeper.release(0)
    with closing(sqlite3.connect(keeper.path(0))) as file, file:
        file.execute(damage)
    again = Keeper(tmp_path, "topic-1")
    found = loaded(again)
    assert (found.next_offset, found.channels) == (None, {})
    counted(found, VALUES)
    keep(again, found)
    assert_same(loaded(Keeper(tmp_path, "topic-1")), held)


def test_bytes_that_are_no_file_of_ours_are_replaced(tmp_path: Path) -> None:
    """Not even SQLite's."""
    keeper = Keeper(tmp_path, "topic-1")
    keeper.path(0).write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    held = loaded(keeper)
    counted(held, VALUES)
    keep(keeper, held)
    assert_same(loaded(Keeper(tmp_path, "topic-1")), held)


def test_a_disk_that_takes_nothing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is written with what comes after it."""
    keeper = Keeper(tmp_path, "topic-1")
    held = loaded(keeper)
    counted(held, VALUES[:60])
    keep(keeper, held)

    def full(*_: object, **__: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(decision_archive.DecisionArchive, "keep", full)
        counted(held, VALUES[60:100], 180)
        keep(keeper, held)
    counted(held, VALUES[100:], 300)
    keep(keeper, held)
    assert_same(loaded(Keeper(tmp_path, "topic-1")), held)
    for channel, standing in held.channels.items():
        assert all_decisions(keeper, channel) == list(range(standing.state_version, 0, -1))


def test_what_kafka_no_longer_has_leaves_the_index(tmp_path: Path) -> None:
    """The standings stay: they count what was."""
    keeper = Keeper(tmp_path, "topic-1")
    held = loaded(keeper)
    counted(held, VALUES)
    keep(keeper, held)
    asyncio.run(keeper.forget_before(0, 150))
    left = sum(len(all_decisions(keeper, channel)) for channel in held.channels)
    assert left == len(VALUES) - 50
    assert_same(loaded(Keeper(tmp_path, "topic-1")), held)


def test_a_partition_without_news_is_not_written(tmp_path: Path) -> None:
    """Quiet partitions cost nothing."""
    keeper = Keeper(tmp_path, "topic-1")
    held = loaded(keeper)
    counted(held, VALUES)
    keep(keeper, held)
    with closing(sqlite3.connect(keeper.path(0))) as file, file:
        file.execute("DELETE FROM channels")
    keep(keeper, held)
    with closing(sqlite3.connect(keeper.path(0))) as file:
        assert file.execute("SELECT count(*) FROM channels").fetchone() == (0,)


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Said at the start, not found out later."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Keeper(tmp_path / "file" / "below", "topic-1")
