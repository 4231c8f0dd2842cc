"""The stories of the README, their tables and their pictures."""

import re
from pathlib import Path

import pytest

from streams.rehearsal.pictures import draw_story
from streams.rehearsal.report import story_report, story_table
from streams.rehearsal.stories import STORIES, told
from streams.whatif.baselines import LARGEST_REMAINDER, PAYS_BACK, ROUND_ROBIN
from streams.whatif.comparison import PARTIDOR

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "deploy" / "pictures"
LOCK = ROOT / "deploy" / "requirements-test.lock"


@pytest.mark.parametrize("name", STORIES)
def test_the_table_in_the_readme_is_what_the_story_gives(name: str) -> None:
    """Figure by figure."""
    text = "\n".join(story_table(told(name)))
    marked = f"<!-- story {name} -->\n{text}\n<!-- end of story {name} -->"
    assert marked in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", STORIES)
def test_the_picture_in_the_repository_is_what_the_story_gives(name: str, tmp_path: Path) -> None:
    """Byte for byte, where matplotlib is the one that the lock names."""
    matplotlib = pytest.importorskip("matplotlib")
    locked = re.search(r"^matplotlib==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    if matplotlib.__version__ != locked[1]:
        pytest.skip("another matplotlib may draw otherwise")
    draw_story(told(name), tmp_path / "story.svg")
    kept = (PICTURES / f"{name}.svg").read_bytes()
    how = "partidor simulate --story all --report DIR; cp DIR/*.svg deploy/pictures/"
    assert (tmp_path / "story.svg").read_bytes() == kept, f"draw them again: {how}"


@pytest.mark.parametrize("name", STORIES)
def test_partidor_is_never_off_by_a_lead(name: str) -> None:
    """The others are off by dozens."""
    outcomes = told(name).scenario.outcomes
    largest = {
        method: abs(outcome.leads(outcome.largest.error)) for method, outcome in outcomes.items()
    }
    assert largest[PARTIDOR] < 1
    assert min(largest[ROUND_ROBIN], largest[LARGEST_REMAINDER]) > 50


def test_whoever_was_away_is_not_flooded() -> None:
    """On the first day back Partidor gives within a lead of that day's fair share."""
    story = told("absence")
    name, back = story.story.subject, story.story.spans[2]
    assert name is not None
    times = (round(back.begins.timestamp() * 1000), round(back.ends.timestamp() * 1000))
    received, due = story.scenario.outcomes[PARTIDOR].between(name, *times)
    assert abs(received - due) < 1
    assert story.scenario.outcomes[PAYS_BACK].between(name, *times)[0] > 5 * due


def test_a_newcomer_at_half_weight_gets_nothing_without_memory() -> None:
    """The lead left over never goes to the smallest remainder."""
    story = told("newcomer")
    name = story.story.subject
    assert name is not None
    received = {method: each.received[name] for method, each in story.scenario.outcomes.items()}
    assert received[LARGEST_REMAINDER] == 0
    assert received[ROUND_ROBIN] > 1.5 * received[PARTIDOR]


def test_a_story_without_pictures_is_a_table() -> None:
    """Nothing is drawn, nothing shown."""
    assert "![" not in story_report(told("newcomer"), [])
