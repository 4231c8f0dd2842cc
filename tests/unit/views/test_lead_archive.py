import json
import sqlite3
from pathlib import Path

import pytest

from streams.views import lead_archive
from streams.views.lead_archive import LeadArchive


def assigned(channel: str, version: int, position: int, assignee_id: str, size: int = 3) -> bytes:
    """An assignment as the dispatcher writes it."""
    lead_id = f"L{version}-{position}"
    return json.dumps(
        {
            "type": "lead_assigned",
            "schema_version": 1,
            "assignment_id": f"{channel}/{version}/{lead_id}",
            "channel": channel,
            "batch_id": f"b{version}",
            "lead_id": lead_id,
            "assignee_id": assignee_id,
            "position": position,
            "batch_size": size,
            "state_version": version,
            "decided_at": "2026-11-21T09:00:00Z",
            "attributes": {"phone": "61491570156"},
        }
    ).encode()


def batch(channel: str, version: int, first_offset: int) -> list[tuple[int, bytes | None]]:
    """Three leads, to A, B and A."""
    return [
        (first_offset + place, assigned(channel, version, place + 1, "ABA"[place]))
        for place in range(3)
    ]


@pytest.fixture
def archive(tmp_path: Path) -> LeadArchive:
    """Two channels with two batches each; a marker between them takes an offset."""
    found = LeadArchive(tmp_path, "topic-1", 0)
    records = [*batch("web", 1, 0), *batch("ads", 1, 4), *batch("web", 2, 8), *batch("ads", 2, 12)]
    assert found.add(records, 16).leads == 12
    return found


def offsets(found: list[lead_archive.KeptAssignment]) -> list[int]:
    """Where they stand."""
    return [each.offset for each in found]


def test_a_lead_is_found_by_its_id(archive: LeadArchive) -> None:
    """In every channel, oldest first, with all that an assignment says."""
    first, second = lead_archive.of_lead(archive.path, "L1-2", 10)
    assert (first.channel, second.channel) == ("web", "ads")
    assert first._asdict() == {
        "offset": 1,
        "channel": "web",
        "batch_id": "b1",
        "lead_id": "L1-2",
        "assignee_id": "B",
        "position": 2,
        "batch_size": 3,
        "state_version": 1,
        "decided_at": "2026-11-21T09:00:00Z",
    }
    assert lead_archive.of_lead(archive.path, "nowhere", 10) == []


def test_what_somebody_got_comes_newest_first_in_pages(archive: LeadArchive) -> None:
    """Of their channel only."""
    page = lead_archive.of_assignee(archive.path, "web", "A", None, 3)
    assert offsets(page) == [10, 8, 2]
    assert offsets(lead_archive.of_assignee(archive.path, "web", "A", 2, 3)) == [0]
    assert lead_archive.of_assignee(archive.path, "web", "C", None, 3) == []


def test_where_a_batch_stands(archive: LeadArchive) -> None:
    """From its first assignment to its last."""
    assert lead_archive.stretch_of(archive.path, "ads", 1) == (4, 6)
    assert lead_archive.stretch_of(archive.path, "ads", 2) == (12, 14)
    assert lead_archive.stretch_of(archive.path, "ads", 3) is None


def test_what_comes_again_changes_nothing(archive: LeadArchive) -> None:
    """Read again after a crash, in other parts: also a batch of which a half was kept."""
    before = lead_archive.of_assignee(archive.path, "ads", "A", None, 100)
    archive.add(batch("ads", 2, 12)[:1], 13)
    archive.add(batch("ads", 2, 12)[1:], 16)
    assert lead_archive.of_assignee(archive.path, "ads", "A", None, 100) == before


def test_it_goes_on_where_it_stood(tmp_path: Path, archive: LeadArchive) -> None:
    """The next offset was written with the leads; a batch goes on over a restart."""
    archive.add(batch("web", 3, 20)[:2], 22)
    archive.close()
    again = LeadArchive(tmp_path, "topic-1", 0)
    assert again.next_offset == 22
    again.add(batch("web", 3, 20)[2:], 23)
    assert lead_archive.stretch_of(again.path, "web", 3) == (20, 22)


def test_what_kafka_no_longer_has_is_forgotten(archive: LeadArchive) -> None:
    """Of a batch of which a part is left, that part stays."""
    assert archive.forget_before(5) == 4
    assert lead_archive.stretch_of(archive.path, "web", 1) is None
    assert offsets(lead_archive.of_assignee(archive.path, "ads", "B", None, 9)) == [13, 5]
    assert archive.forget_before(5) == 0
    archive.add(batch("web", 3, 20), 23)
    assert lead_archive.stretch_of(archive.path, "web", 3) == (20, 22)


def test_a_write_that_fails_leaves_nothing_behind(
    archive: LeadArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither leads nor numbers that were given on the way."""
    decode = lead_archive._decode

    def broken(value: bytes) -> lead_archive.AssignmentRead:
        if value == b"broken":
            raise sqlite3.OperationalError("disk I/O error")
        return decode(value)

    with monkeypatch.context() as patched:
        patched.setattr(lead_archive, "_decode", broken)
        with pytest.raises(sqlite3.OperationalError):
            archive.add([*batch("new", 1, 20), (23, b"broken")], 24)
    assert archive.next_offset == 16
    archive.add(batch("new", 1, 30), 33)
    assert offsets(lead_archive.of_assignee(archive.path, "new", "A", None, 9)) == [32, 30]


def test_what_is_no_assignment_is_counted_and_stops_nothing(archive: LeadArchive) -> None:
    """Nothing, bytes, another event."""
    strange = [(40, None), (41, b"\xff"), (42, b'{"type":"other"}'), *batch("web", 4, 43)]
    added = archive.add(strange, 46)
    assert (added.leads, added.unreadable) == (3, [40, 41, 42])


def test_attributes_are_not_kept(archive: LeadArchive) -> None:
    """They are personal: not a byte of them is on disk."""
    archive.close()
    assert b"61491570156" not in archive.path.read_bytes()


def test_a_file_of_another_topic_is_none(tmp_path: Path, archive: LeadArchive) -> None:
    """All is read again."""
    archive.close()
    other = LeadArchive(tmp_path, "topic-2", 0)
    assert other.next_offset == 0
    assert lead_archive.of_lead(other.path, "L1-1", 9) == []
