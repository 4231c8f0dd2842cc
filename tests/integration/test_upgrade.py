"""Versions read one another's records: what a rollback needs.

Dispatchers of two versions under load stand in `tests/faults/catalogue/f14_versions.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from dispatcher.register import Owner, decode_owner
from dispatcher.state_records import (
    AppliedInput,
    AppliedOffsets,
    applied_offsets_value,
    read_applied_offsets,
)
from dispatcher.store import RegisterPoint, RestorePoint
from streams.state_reader import DispatcherStatus
from tests.reference import events
from tests.reference.histories import history, lines
from tests.support.other_version import Records, packed, unpacked, written, written_again
from tests.support.versions import unpacked as packages_in
from tests.support.versions import with_more

ROOT = Path(__file__).parents[2]
PARKED = (
    events.lead_batch("waits", 3, "nobody"),
    events.lead_batch("waits-too", 2, "nobody"),
)


def a_history(seed: int) -> list[str]:
    """Of everything, windows that have closed segments and leads that wait included."""
    whole = history(
        seed, 4, 500, rules=True, outcomes=True, routes=seed % 2 == 0, values=seed % 2 == 0,
        sticky=seed % 2 == 1,
    )  # fmt: skip
    return [*lines(whole), *(json.dumps(event) for event in PARKED)]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of 0.1.0."""
    return packages_in(tmp_path_factory.mktemp("released"))


def by(released: Path, what: str, text: str) -> Records:
    """Have it done by the released version."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, what],
        input=text,
        cwd=released,  # else the directory that the tests are run from comes first
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(released), str(ROOT)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(released) in done.stderr, "another version was asked"
    return unpacked(done.stdout)


_RUN = """
import runpy, sys
import dispatcher
sys.stderr.write(dispatcher.__file__)
runpy.run_module("tests.support.other_version", run_name="__main__")
"""


def with_more_everywhere(records: Records) -> Records:
    """As a later version may write them."""
    return {
        channel: {key: with_more(value) for key, value in each.items()}
        for channel, each in records.items()
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_this_version_reads_what_the_released_one_wrote(seed: int, released: Path) -> None:
    """And writes the same again, to the byte."""
    old = by(released, "write", "\n".join(a_history(seed)))
    assert any(b"/batches/" in key for each in old.values() for key in each)
    assert any(b"/parked/" in key for each in old.values() for key in each)
    assert written_again(old) == old


@pytest.mark.parametrize("seed", [3, 4])
def test_the_released_version_reads_what_this_one_writes(seed: int, released: Path) -> None:
    """And what a later one adds to it, which it leaves out when it writes a record itself."""
    new = written([line.encode() for line in a_history(seed)])
    assert by(released, "read", packed(new)) == new
    more = with_more_everywhere(new)
    assert more != new
    assert by(released, "read", packed(more)) == new
    assert written_again(more) == new


def test_what_a_later_version_adds_to_other_records_is_passed_over() -> None:
    """Offsets, owners in the lead register, what a dispatcher says of itself."""
    applied = AppliedOffsets(4, {"leads.batches": AppliedInput("id", 3)}, former_counts=(2,))
    assert read_applied_offsets(with_more(applied_offsets_value(applied))) == applied
    owner = Owner("A", 1, 90, "b", "L")
    assert decode_owner(with_more(msgspec.json.encode(owner))) == owner
    status = DispatcherStatus("0", "host", 1, 2, {"0": "running"})
    encoded = with_more(msgspec.json.encode(status))
    assert msgspec.json.decode(encoded, type=DispatcherStatus) == status


def test_the_released_version_reads_the_records_of_an_expansion(released: Path) -> None:
    """So that a rollback after one is possible; the former counts are what it leaves out."""
    applied = AppliedOffsets(8, {"leads.batches": AppliedInput("id", 3)}, former_counts=(4,))
    program = (
        "import sys; from dispatcher import state_records as s\n"
        "read = s.read_applied_offsets(sys.stdin.buffer.read())\n"
        "sys.stdout.buffer.write(s.applied_offsets_value(read))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=applied_offsets_value(applied),
        cwd=released,
        env={**os.environ, "PYTHONPATH": str(released)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    kept = msgspec.structs.replace(applied, former_counts=msgspec.UNSET)
    assert done.stdout == applied_offsets_value(kept)


def test_restore_points_never_get_another_field() -> None:
    """They are compared as text: who left a field out would never again find what they wrote."""
    assert RestorePoint.__struct_fields__ == ("topic_id", "next_offset", "written_at_ms")
    assert RegisterPoint.__struct_fields__ == ("topic_id", "next_offset")
    assert msgspec.json.encode(RestorePoint("t", 1, 2)) == (
        b'{"topic_id":"t","next_offset":1,"written_at_ms":2}'
    )
    assert msgspec.json.encode(RegisterPoint("t", 1)) == b'{"topic_id":"t","next_offset":1}'
