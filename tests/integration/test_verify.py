"""`partidor verify` on real servers: sound systems are found sound, and each fault by its check."""

from streams.audit.findings import Report
from streams.audit.verifying import verify
from tests.reference.histories import history
from tests.support.installation import Installation

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
    for seed in range(4 * len(MIXES)):
        mix = MIXES[seed % len(MIXES)]
        for event in history(seed, channels=1, events=EVENTS, **mix):
            name = f"history-{seed}"
            if event.get("channel") == "channel-1":
                event = {**event, "channel": name}
            installation.publisher.publish([event], key=name)
    for seed in range(4):
        mix = {"rules": seed > 1, "outcomes": seed == 3, "routes": True}
        for event in history(seed, channels=3, events=EVENTS, valid_only=seed % 2 == 0, **mix):
            if str(event.get("channel")).startswith("channel-"):
                installation.publisher.publish([event])


def test_a_sound_system_is_found_sound_whatever_happened_on_it(installation: Installation) -> None:
    """Random histories of everything: rules, outcomes, sticky owners, values, limits, refusals."""
    installation.started()
    publish_histories(installation)
    installation.wait_until_processed()
    installation.wait_until_processed()
    report = verify(installation.settings)
    for check in report.checks:
        print(check.as_object())
    assert report.is_sound, told(report)
    for check in report.checks:
        assert check.checked, check.name
