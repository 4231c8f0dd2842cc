"""`partidor export` on real servers: whole, unmodified, without personal data, of use later.

The system that is exported has rules, parked leads with attributes, refusals and corrections.
"""

import gzip
import json
from fractions import Fraction
from pathlib import Path

import pytest

from streams.audit.export_files import differences, read_manifest
from streams.audit.exporting import Wanted, export
from streams.audit.statements import StatementWriter
from streams.failure import Failed
from streams.state_reader import StateReader
from tests.reference import events
from tests.support.installation import Installation
from tests.support.records import Json
from tests.support.traffic import day, rosters

PHONE = "+61 491 570 156"
FILES = {
    "states.jsonl.gz",
    "recovery.jsonl",
    "decisions.jsonl.gz",
    "assignments.jsonl.gz",
    "dead-letters.jsonl.gz",
}


def lines(path: Path) -> list[Json]:
    """The objects of a file."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.splitlines()]


def everything_in(directory: Path) -> bytes:
    """All that its files hold, as text."""
    texts = []
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        texts.append(gzip.decompress(data) if path.suffix == ".gz" else data)
    return b"\n".join(texts)


def batch(batch_id: str, channel: str) -> Json:
    """Three leads of somebody."""
    event = events.lead_batch(batch_id, 3, channel)
    for lead in event["leads"]:
        lead["attributes"] = {"phone": PHONE}
    return event


def with_something_of_everything(installation: Installation) -> None:
    """Decisions of several channels, leads that wait, dead letters."""
    installation.started()
    installation.publish(rosters(3))
    installation.process(day(1_000, 3))
    rules = {"skills": ["language=vi"], "assignee_id": "P1"}
    installation.process(
        [
            events.change("channel_configured", "c", "channel-1", required_skills=["language"]),
            events.change("skills_changed", "s", "channel-1", **rules),
            events.change("capacity_changed", "k", "channel-1", assignee_id="P2", per_day=100),
            events.change("assignee_routed", "t", "channel-2", assignee_id="P2", routes_to="a/b"),
            events.change("assignee_left", "x", "channel-1", assignee_id="stranger"),
            batch("waits", "nobody-there"),
            batch("goes", "channel-0"),
        ]
    )


def errors_of(installation: Installation, channel: str) -> dict[str, Fraction]:
    """Everyone's cumulative error, as Redis holds it."""
    state = StateReader(installation.settings).channel(channel).state
    denominator = state.roster.error_denominator
    return {
        member.assignee_id: Fraction(error, denominator)
        for member, error in zip(state.roster.members, state.errors, strict=True)
    }


def test_an_export_holds_all_of_it_but_personal_data_and_proves_itself(
    installation: Installation, tmp_path: Path
) -> None:
    """Every decision and assignment as on the topics; with attributes only if asked for."""
    with_something_of_everything(installation)
    directory = tmp_path / "exported"
    manifest, digest = export(installation.settings, directory, Wanted())
    assert {path.name for path in directory.iterdir()} == FILES | {"manifest.json"}
    assert lines(directory / "decisions.jsonl.gz") == installation.decisions()
    bare = [{**event, "attributes": {}} for event in installation.assignments()]
    assert lines(directory / "assignments.jsonl.gz") == bare
    (letter,) = lines(directory / "dead-letters.jsonl.gz")
    assert (letter["reason"], letter["key"]) == ("not_a_member", "channel-1")
    assert b"570 156" not in everything_in(directory)
    assert read_manifest(directory) == (manifest, digest)
    assert not list(differences(directory, manifest))
    read = manifest.topics[installation.topics.decisions].partitions
    assert sum(each.records for each in read) == len(installation.decisions())
    check_that_a_statement_can_be_made(directory)
    whole = tmp_path / "with-attributes"
    export(installation.settings, whole, Wanted(with_attributes=True))
    assert lines(whole / "assignments.jsonl.gz") == installation.assignments()
    parked = [each for each in lines(whole / "states.jsonl.gz") if "/parked/" in each["key"]]
    assert parked[0]["value"]["leads"][0][1] == {"phone": PHONE}
    check_that_one_channel_can_be_asked_for(installation, tmp_path / "one")
    check_that_nothing_is_overwritten(installation, directory)


def check_that_a_statement_can_be_made(directory: Path) -> None:
    """The decisions are what `partidor statement --file` reads."""
    writer = StatementWriter("channel-0", "P0")
    for event in lines(directory / "decisions.jsonl.gz"):
        writer.decision(json.dumps(event).encode())
    statement = writer.finish()
    assert statement.lines
    assert not statement.missing


def check_that_one_channel_can_be_asked_for(installation: Installation, directory: Path) -> None:
    """And a time: nothing was decided in 1999."""
    export(installation.settings, directory, Wanted(channels={"channel-0"}))
    assert lines(directory / "decisions.jsonl.gz") == installation.decisions("channel-0")
    keys = {each["key"].partition("/")[0] for each in lines(directory / "states.jsonl.gz")}
    assert keys == {"channel-0", ""}
    earlier = directory.with_name("earlier")
    manifest, _ = export(installation.settings, earlier, Wanted(until_ms=946_684_800_000))
    assert not lines(earlier / "decisions.jsonl.gz")
    assert manifest.filters.until == "2000-01-01T00:00:00.000Z"


def check_that_nothing_is_overwritten(installation: Installation, directory: Path) -> None:
    """What is there stays, and nothing is left of the attempt."""
    before = everything_in(directory)
    with pytest.raises(Failed, match="is there already"):
        export(installation.settings, directory, Wanted())
    assert everything_in(directory) == before
    assert not list(directory.parent.glob(".*"))


def test_a_lost_changelog_is_made_anew_from_an_export(
    installation: Installation, tmp_path: Path
) -> None:
    """Rosters, rules and errors come back on an empty installation, to a millionth of a lead."""
    with_something_of_everything(installation)
    export(installation.settings, tmp_path / "exported", Wanted())
    changes = lines(tmp_path / "exported" / "recovery.jsonl")
    with Installation(
        installation.bootstrap_servers,
        installation.redis_url,
        tmp_path,
        f"{installation.name}-anew",
    ) as anew:
        anew.started()
        anew.process(changes)
        assert not anew.dead_letters()
        for channel in ("channel-0", "channel-1", "channel-2"):
            found, wanted = errors_of(anew, channel), errors_of(installation, channel)
            assert found.keys() == wanted.keys()
            assert any(wanted.values())
            for name, error in wanted.items():
                assert abs(found[name] - error) <= Fraction(1, 10**6)
        before, after = (
            StateReader(each.settings).channel("channel-1").state for each in (installation, anew)
        )
        assert (after.roster, after.eligibility.terms, after.eligibility.rules) == (  # type: ignore[union-attr]
            before.roster, before.eligibility.terms, before.eligibility.rules,  # type: ignore[union-attr]
        )  # fmt: skip
        assert StateReader(anew.settings).channel("channel-2").state.roster.routes
