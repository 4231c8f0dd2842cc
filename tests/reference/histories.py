"""Random histories: input events of several channels, the same for the same seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from .roster_writer import Mix, RosterWriter
from .spoiled import bad_lead, spoiled_event
from .validation import Json

PERSONS: dict[str, Sequence[object]] = {
    "phone": (
        "+61 491 570 156", "0061491570156", "61491570156", 61491570156, "+61 491 570 157",
        "(03) 9555-0100", "0395550100", None, "", True, ["61491570156"], "ext 7",
    ),
    "email": (
        "ann@site.example", " Ann@Site.example", "\uff21\uff2e\uff2e@site.example",
        "bo@site.example", 5,
    ),
}  # fmt: skip
"""Attributes that a person is known by, written in several ways; numbers that nobody has."""

ASKED: dict[str, Sequence[object]] = {
    "language": ("vi", "en", "vi", None, ["vi", "en"], [], "", True, "tlh"),
    "product": ("home", 1, ["home", 1], {"a": [1]}),
}
"""Attributes that may be skills, and what stands in them."""

WORTHS: Sequence[Sequence[object]] = (
    (1, 1, 1, "1", 1.0, 2),
    (250000, "600000.50", 400000, 1234.5, "0.000001", 75000),
    (0, 1000000000000, "1000000000000.000000", 0.1, "0", 3),
)
WORTHLESS = ("much", -1, None, True, "1.1234567", 10**13, [], "-0", "1e3", "", {"a": 1}, 1e-7)
"""What counts by value, and what doesn't."""

PURPOSES = ("investment", "investment", "home", ["home", "investment"], None, 1, True, [])

RETURN_REASONS = ("wrong_number", "busy", "asked for\u00a0B", "other")

RECENT = 900
"""Only what is surely remembered is sent again; a channel remembers 1,000."""


def history(seed: int, channels: int = 1, events: int = 30, **mix: bool | int) -> list[Json]:
    """About ``events`` input events, mixed from ``channels`` channels.

    Keywords are the fields of ``Mix``: ``valid_only`` leaves out all that ends as a dead letter,
    ``pauses``, ``corrections``, ``replacements``, ``zero_weights`` and ``duplicates`` (the same
    again) switch those off, ``parking=False`` always leaves someone to take the leads, and
    ``leads_max`` and ``members_max`` bound the size of batches and rosters. With ``routes`` the
    names of the channels are of three depths, and assignees are routed to the deeper ones.
    """
    rng = Random(seed)
    kinds = Mix(**mix)  # type: ignore[arg-type]  # bool | int is what the fields take
    names = [_name(number, kinds) for number in range(1, channels + 1)]
    writers = [_Channel(name, rng, kinds, deeper=_deeper(name, names)) for name in names]
    written: list[Json] = []
    for writer in writers:
        written += writer.opening()
    while len(written) < events:
        written += rng.choice(writers).next_events()
    return written


def _name(number: int, mix: Mix) -> str:
    return f"channel-{number}" + "/deeper" * ((number - 1) % 3 if mix.routes else 0)


def _deeper(name: str, names: Sequence[str]) -> list[str]:
    return [other for other in names if other.count("/") > name.count("/")]


def lines(events: Sequence[Json], seed: int = 0, spoil: float = 0.0) -> list[str]:
    """The events as lines of JSON; ``spoil`` of them are followed by a blank or broken line."""
    rng = Random(seed)
    written = []
    for event in events:
        written.append(json.dumps(event, ensure_ascii=rng.random() < 0.5))
        if rng.random() < spoil:
            broken = (written[-1][:-1], "[1, 2]", "null", '{"type": NaN}', "no JSON", '"\\ud800"')
            written.append(rng.choice(("", "  ", *broken)))
    return written


@dataclass
class _Channel(RosterWriter):
    """Adds the batches, the same again, and what is refused."""

    batches: list[Json] = field(default_factory=list)
    outcomes: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.menu = [kind for kind in self._menu() if kind[0] > 0]

    def _menu(self) -> list[tuple[int, Callable[[], list[Json]]]]:
        mix = self.mix
        bad = not mix.valid_only
        return [
            (48, self.batch),
            (6, self.join),
            (4, self.leave),
            (2, self.leave_together),
            (6, self.reweigh),
            (4 * mix.zero_weights, self.weigh_nothing),
            (5 * mix.pauses, self.pause),
            (5 * mix.pauses, self.resume),
            (5 * mix.replacements, self.replace_roster),
            (6 * mix.corrections, self.correct),
            (3 * mix.parking, self.all_away),
            (3 * (mix.rules + mix.outcomes + mix.sticky + mix.values), self.configure),
            (8 * mix.values, self.limit),
            (4 * mix.values, self.limit_all),
            (3 * mix.outcomes, self.out_of_the_queue),
            (9 * mix.rules, self.capacity),
            (9 * mix.rules, self.skills),
            (5 * mix.rules, self.pause_until),
            (8 * mix.routes, self.route),
            (8 * mix.outcomes, self.returned),
            (8 * mix.outcomes, self.closed),
            (4 * mix.outcomes, self.reassigned),
            (6 * mix.outcomes, self.by_hand),
            (3 * mix.duplicates, self.again),
            (2 * bad, self.reused),
            (3 * bad, self.batch_with_bad_leads),
            (3 * bad, self.refused),
            (3 * bad, self.invalid),
        ]

    def next_events(self) -> list[Json]:
        """One event, or a few that belong together; a batch where the drawn kind can't be."""
        if not self.can_take(self.seats) and self.rng.random() < 0.4:
            return self.back()
        weights, kinds = zip(*self.menu, strict=True)
        (kind,) = self.rng.choices(kinds, weights)
        return kind() or self.batch()

    def opening(self) -> list[Json]:
        """A first roster; sometimes a batch is there before anyone."""
        early = self.batch() if self.mix.parking and self.rng.random() < 0.2 else []
        joins: list[Json] = []
        while len(joins) < self.rng.randint(1, min(4, self.mix.members_max)):
            joins += self.join()
        if self.mix.routes:
            joins += self.route()
        asks = self.mix.outcomes or self.mix.sticky or self.mix.values
        configured = asks and self.rng.random() < 0.5
        return early + joins + (self.configure() if configured else [])

    # --- Batches ------------------------------------------------------------------------

    def batch(self) -> list[Json]:
        """Mostly few leads, sometimes none, rarely many."""
        low, high = self.rng.choices(
            ((0, 0), (1, 1), (2, 5), (6, 20), (21, 100), (101, 1000)), (6, 34, 30, 20, 8, 2)
        )[0]
        size = min(self.rng.randint(low, high), self.mix.leads_max)
        return [self._batch([self._lead(place) for place in range(1, size + 1)])]

    def batch_with_bad_leads(self) -> list[Json]:
        """Some leads are invalid or there twice."""
        leads: list[object] = [self._lead(place) for place in range(1, self.rng.randint(0, 8) + 1)]
        for _ in range(self.rng.randint(1, 3)):
            double = self.rng.choice(leads) if leads and self.rng.random() < 0.4 else None
            bad = bad_lead(self.rng) if double is None else double
            leads.insert(self.rng.randint(0, len(leads)), bad)
        return [self._batch(leads)]

    def _batch(self, leads: Sequence[object]) -> Json:
        event = self._event("lead_batch", "batch_id", leads=list(leads))
        self.batches.append(event)
        return event

    def _lead(self, place: int) -> Json:
        lead: Json = {"lead_id": f"L{place}"}
        if self.mix.sticky and self.rng.random() < 0.6:
            lead["attributes"] = {
                name: self.rng.choice(values)
                for name, values in {**PERSONS, "language": ("vi", None)}.items()
                if self.rng.random() < 0.6
            }
        elif self.mix.rules and self.rng.random() < 0.5:
            lead["attributes"] = {
                name: self.rng.choice(values)
                for name, values in ASKED.items()
                if self.rng.random() < 0.6
            }
        elif self.rng.random() < 0.2:
            lead["attributes"] = {"phone": f"+61 4{place:08d}", "suburb": "Carlton Süd"}
        if self.mix.values:
            lead["attributes"] = lead.get("attributes", {}) | self._worth()
        return lead

    def _worth(self) -> Json:
        """Mostly a value that counts; often a kind that may be limited."""
        pool = WORTHLESS if self.rng.random() < 0.03 else self.rng.choice(WORTHS)
        found: Json = {"amount": self.rng.choice(pool), "size": self.rng.choice((1, 1, 2, 3))}
        if self.rng.random() < 0.6:
            found["purpose"] = self.rng.choice(PURPOSES)
        if self.rng.random() < 0.02:
            del found["amount"]
        return found

    # --- What became of leads -----------------------------------------------------------

    def returned(self) -> list[Json]:
        """By anybody, for reasons with and without a rule; the lead may never have been theirs."""
        more: Json = {"reason": self.rng.choice(RETURN_REASONS)}
        if self.rng.random() < 0.6:
            more |= {name: value for name, value in self._lead(1).items() if name != "lead_id"}
        return self._outcome("lead_returned", **more)

    def closed(self) -> list[Json]:
        """Some in a row, by one or several."""
        return [
            event
            for _ in range(self.rng.choice((1, 1, 3)))
            for event in self._outcome("lead_closed")
        ]

    def reassigned(self) -> list[Json]:
        """Sometimes from somebody who has left, or to a stranger."""
        return self._outcome(
            "lead_reassigned", to_assignee_id=self._somebody(), **self._said_of_it()
        )

    def by_hand(self) -> list[Json]:
        """Also to the paused; perhaps a lead that is parked."""
        return self._outcome("lead_assigned_manually", **self._said_of_it())

    def _said_of_it(self) -> Json:
        """Where leads count by value, mostly what it counts."""
        if not self.mix.values or self.rng.random() < 0.1:
            return {}
        return {"attributes": self._lead(1)["attributes"]}

    def out_of_the_queue(self) -> list[Json]:
        """Nobody takes a batch, and some of its leads are given by hand."""
        away = self.all_away() if self.mix.parking else []
        by_hand = [event for _ in range(3) for event in self.by_hand()]
        return [*away, *self.batch(), *by_hand]

    def _outcome(self, kind: str, **fields: object) -> list[Json]:
        somebody = self._somebody()
        if fields.get("to_assignee_id") == somebody:
            return []
        lead_id = f"L{self.rng.randint(1, 6)}"
        event = self._event(kind, "outcome_id", lead_id=lead_id, assignee_id=somebody, **fields)
        self.outcomes.append(event)
        return [event]

    def _somebody(self) -> str:
        if self.seats and self.rng.random() < 0.95:
            return self.rng.choice(list(self.seats))
        return "stranger"

    # --- The same again, and what is refused --------------------------------------------

    def again(self) -> list[Json]:
        """A batch or change that was sent before, with a new time."""
        return [{**event, "created_at": self._now()} for event in self._earlier()]

    def reused(self) -> list[Json]:
        """An earlier id with another content."""
        events = []
        for event in self._earlier():
            if "outcome_id" in event:
                events.append({**event, "lead_id": f"other-{self.written}"})
            elif event["type"] == "lead_batch":
                events.append({**event, "leads": [*event["leads"], {"lead_id": "one-more"}]})
            else:
                events.append({**event, "reason": f"again, {self.written}"})
        return events

    def _earlier(self) -> list[Json]:
        kinds = [self.batches, self.changes]
        if self.mix.outcomes:
            kinds.append(self.outcomes)
        sent = self.rng.choice(kinds)[-RECENT:]
        return [self.rng.choice(sent)] if sent else []

    def refused(self) -> list[Json]:
        """A valid change that can't be applied."""
        member = self.rng.choice(list(self.seats)) if self.seats else "stranger"
        correction: Json = {"assignee_id": member, "amount": "1"}
        changes: list[tuple[str, Json]] = [
            ("assignee_left", {"assignee_id": "stranger"}),
            ("assignee_paused", {"assignee_id": "stranger"}),
            ("weight_changed", {"assignee_id": "stranger", "weight": "1"}),
            ("roster_replaced", {"members": [], "expected_roster_version": 10**6}),
            ("cumulative_error_corrected", {**correction, "counter_assignee_id": "stranger"}),
            ("cumulative_error_corrected", {**correction, "counter_assignee_id": member}),
        ]
        if self.mix.routes:
            changes.append(("assignee_routed", {"assignee_id": member, "routes_to": "x"}))
        if self.seats:
            changes.append(("assignee_joined", {"assignee_id": member, "weight": "1"}))
        if not self.can_take(self.seats) and not self.mix.rules:
            changes.append(("cumulative_error_corrected", correction))
        kind, fields = self.rng.choice(changes)
        return [self._event(kind, "change_id", **fields)]

    def invalid(self) -> list[Json]:
        """An event with something missing or wrong."""
        member = {"assignee_id": "N", "weight": "1"}
        event = self.rng.choice(
            (
                self._event("lead_batch", "batch_id", leads=[self._lead(1)]),
                self._event("assignee_joined", "change_id", **member, reason=None),
                self._event("roster_replaced", "change_id", members=[member]),
                self._event("cumulative_error_corrected", "change_id", assignee_id="N", amount="1"),
            )
        )
        return [spoiled_event(self.rng, event)]
