"""What there is to see: an installation whose dispatcher has decided events, and views of it.

Everything comes from events through Kafka; nothing is put into a page or a file by hand.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tests.integration.test_cascade import BANK
from tests.integration.test_outcomes import outcome
from tests.integration.test_values import BY_VALUE, loan
from tests.reference import events
from tests.support.installation import Installation
from tests.support.quiet import wait_until_quiet
from tests.support.records import Json
from tests.support.waiting import wait_until
from tests.views_process import ViewsProcess

CROWD = 150
DESKS = 60
PATIENCE_S = 60


class Scene:
    """An installation, and views that show it."""

    def __init__(self, installation: Installation, views: ViewsProcess) -> None:
        """Both run."""
        self.installation = installation
        self.views = views

    @property
    def base(self) -> str:
        """The address of the board."""
        return f"http://127.0.0.1:{self.views.port}"

    def versions(self) -> dict[str, int]:
        """The last decision of every channel, as Kafka has it."""
        return {each["channel"]: each["state_version"] for each in self.installation.decisions()}

    def until_shown(self) -> None:
        """Wait until the views have counted every decision and kept every assignment."""
        wait_until_quiet(self.installation)
        wanted = self.versions()

        def shown() -> bool:
            found = self.views.get("/api/channels?limit=1000").body
            stands = {each["channel"]: each["state_version"] for each in found["channels"]}
            return all(stands.get(name, 0) >= version for name, version in wanted.items())

        wait_until(shown, "every decision is shown", PATIENCE_S)
        wait_until(self._assignments_are_kept, "every assignment is kept", PATIENCE_S)

    def _assignments_are_kept(self) -> bool:
        return bool(self.views.get("/api/operations").body["views"]["assignments"]["caught_up"])


def address(path: str, **query: object) -> str:
    """A path of the board with its question."""
    return f"{path}?{urlencode({name: str(value) for name, value in query.items()})}"


def views_environment(installation: Installation, data_dir: Path) -> dict[str, str]:
    """What views need to show an installation."""
    return {
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
        "PARTIDOR_VIEWS__DATA_DIR": str(data_dir),
        "PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS": "300",
    }


@contextmanager
def open_scene(
    servers: tuple[str, str],
    directory: Path,
    play: Callable[[Installation], None],
    others: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """An installation on which `play` has been decided, and is shown.

    `servers` are the addresses of Kafka and Redis; `others` are further settings of the views.
    """
    with Installation(*servers, directory) as installation:
        environment = views_environment(installation, directory / "data")
        with ViewsProcess({**environment, **(others or {})}, directory / "views.log") as views:
            installation.started()
            play(installation)
            views.ready()
            scene = Scene(installation, views)
            scene.until_shown()
            yield scene


# -- the working day of a company


def play_everything(installation: Installation) -> None:
    """All that a board may have to show, beside names that mean harm."""
    story = events.the_seeds_story()
    # A roster change is applied before batches that are there with it: one day at a time.
    for day in (story[:5], story[5:]):
        installation.process(day)
    installation.process([*_care(), *BANK])
    # What happens to leads that are there already, and a batch for what was set up just now.
    installation.process([*_care_batches(), *_loans(), *_crowd(), *_desks(), *_waiting()])
    installation.process([*_care_outcomes(installation), events.lead_batch("bank", 30, "hub")])
    topics = installation.topics
    installation.publisher.send(topics.lead_batches, b'{"type": "lead_batch"', b"web")
    installation.publisher.send(topics.roster_changes, b'{"type":"sabbatical"}', b"web")


def _care() -> list[Json]:
    """A channel with every rule there is, beside value."""
    rules = {
        "time_zone": "Australia/Melbourne",
        "required_skills": ["language"],
        "returns": [{"reason": "busy", "credited": True}, {"reason": "*"}],
        "sticky": {"attributes": ["phone"], "days": 30},
    }
    return [
        events.change("channel_configured", "rules", "care", **rules, reason="a new year"),
        events.roster("r", {"A": "1", "B": "1.5", "C": "1", "D": "0.5"}, "care"),
        events.change("skills_changed", "s-A", "care", assignee_id="A", skills=["language=vi"]),
        events.change("capacity_changed", "c-B", "care", assignee_id="B", per_day=5, open_max=4),
        events.change(
            "assignee_paused", "p-D", "care", assignee_id="D", changed_by="supervisor-7",
            reason="lunch",
        ),
    ]  # fmt: skip


def _care_batches() -> list[Json]:
    languages = ("", "vi", "tlh", "", "", "tlh", "", "vi", "", "")
    leads = [
        {
            "lead_id": f"care-{place}",
            "attributes": {"phone": f"555-{place % 4}", **({"language": each} if each else {})},
        }
        for place, each in enumerate(languages)
    ]
    batch = events.lead_batch("morning", leads, "care")
    return [batch, batch]


def _care_outcomes(installation: Installation) -> list[Json]:
    """Some leads come back, move, are closed, and are given away by hand."""
    holders = [(each["lead_id"], each["assignee_id"]) for each in installation.assignments("care")]
    (one, first), (two, second), (three, third) = holders[:3]
    other = next(name for name in ("A", "B", "C") if name != second)
    found = [
        outcome("lead_returned", "o1", one, first, reason="busy"),
        outcome("lead_reassigned", "o2", two, second, to_assignee_id=other),
        outcome("lead_closed", "o3", three, third),
        outcome("lead_assigned_manually", "o4", "care-2", "C", changed_by="supervisor-7"),
    ]
    return [{**each, "channel": "care"} for each in found]


def _loans() -> list[Json]:
    """By value; a lead without one is a dead letter."""
    loans = [loan("loan-1", 250_000), loan("loan-2", "600000.50"), loan("loan-3", 400_000)]
    return [
        events.change("channel_configured", "v", "loans", **BY_VALUE),
        events.roster("r", {"A": "1", "B": "1"}, "loans"),
        events.lead_batch("loans", [*loans, {"lead_id": "loan-4"}], "loans"),
    ]


def _crowd() -> list[Json]:
    names = {f"agent-{number:03}": f"{1 + number % 3}" for number in range(CROWD)}
    batches = [
        events.lead_batch(f"crowd-{n}", [f"crowd-{n}-{k}" for k in range(200)], "crowd")
        for n in range(4)
    ]
    return [events.roster("r", names, "crowd"), *batches]


def _desks() -> list[Json]:
    found = []
    for number in range(DESKS):
        channel = f"desk-{number:02}"
        found.append(events.roster("r", {"A": "1", "B": "2"}, channel))
        found.append(events.lead_batch("b", [f"{channel}-{n}" for n in range(4)], channel))
    return found


def _waiting() -> list[Json]:
    """Leads for a channel that nobody is on."""
    return [events.lead_batch("nobody-there", 7, "waiting"), events.lead_batch("b", 3, "waiting")]


# -- names that mean harm

HOSTILE = {
    "script": "<script>window.pwned=1</script>",
    "image": '"><img src=x onerror=window.pwned=1>',
    "address": "javascript:window.pwned=1",
    "quotes": "'\"&lt;",
    "title": "</title><script>window.pwned=1</script>",
    "braces": "{{7*7}}",
    "dollar": "${7*7}",
    "right to left": "abc\u202egnp.exe\u2069",
    "long": "w" * 200,
    "parent": "..",
    "slash": "/",
    "escaped": "%2e%2e",
}
RUNNING = ("script", "image", "title")
"""Those that run in a page which doesn't escape them."""


def play_harm(installation: Installation) -> None:
    """Every one of these strings as everything that a stranger can name; much comes twice."""
    rosters = [event for text in HOSTILE.values() for event in _hostile_roster(text)]
    installation.process(rosters)
    installation.process([event for text in HOSTILE.values() for event in _hostile_leads(text)])
    installation.process(
        [event for text in HOSTILE.values() for event in _hostile_return(installation, text)]
    )


def _skill(text: str) -> str:
    return f"{text[:99]}={text[:99]}"


def _hostile_roster(text: str) -> list[Json]:
    told = {"reason": text, "changed_by": text}
    rules = {"required_skills": [text[:99]], "returns": [{"reason": text, "credited": True}]}
    replaced = {**events.roster(text, {text: "1", "B": "1"}, text), **told}
    return [
        events.change("channel_configured", "c", text, **rules, **told),
        replaced,
        replaced,
        events.change(
            "skills_changed",
            f"s{text[:199]}",
            text,
            assignee_id=text,
            skills=[_skill(text)],
            **told,
        ),
        events.change("assignee_joined", "j", text, assignee_id="C", weight="1", **told),
        events.change("assignee_paused", "p", text, assignee_id="C", **told),
    ]


def _hostile_leads(text: str) -> list[Json]:
    """One for who has the skill, one that nobody has it for, and some for anybody."""
    leads = [
        {"lead_id": text, "attributes": {text[:99]: text[:99], "note": text}},
        {"lead_id": f"x{text[:199]}", "attributes": {text[:99]: "nobody's"}},
        *({"lead_id": f"{n}{text[:199]}", "attributes": {"note": text}} for n in (1, 2, 3)),
    ]
    batch = events.lead_batch(text, leads, text)
    return [batch, batch]


def _hostile_return(installation: Installation, text: str) -> list[Json]:
    (holder,) = {
        each["assignee_id"] for each in installation.assignments(text) if each["lead_id"] == text
    }
    named = {"outcome_id": text, "lead_id": text, "assignee_id": holder}
    event = events.change("lead_returned", "", text, **named, reason=text, changed_by=text)
    del event["change_id"]
    return [event, event]
