"""Why a lead went to whom it went to: explained from the log, and recomputed."""

import copy

import pytest

from dispatcher import encoding
from streams.audit.explanation_text import headline, sentences
from tests.reference import events, roster_writer
from tests.reference.histories import history
from tests.support.audit import decided, dispatched, explained, given_back, stated
from tests.support.records import Json

HISTORIES = 100
EVENTS = 30
MANY = tuple(f"N{number}" for number in range(40))


def words(told: Json) -> str:
    """All of an explanation, as people read it."""
    return "\n".join([headline(told), *sentences(told)])


def random_outputs(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Every other history has rules; some have long rosters, or decisions that list few."""
    monkeypatch.setattr(encoding, "ALL_MEMBERS_LISTED_MAX", 20 if seed % 3 else 1)
    members_max = 40 if seed % 5 == 0 else 8
    mix = {**mix_of(seed), "members_max": members_max}
    return decided(history(seed, 1 + seed % 2, EVENTS, leads_max=30, **mix))[0]


def mix_of(seed: int) -> dict[str, bool]:
    """What a history is about."""
    values, sticky = seed % 6 in (2, 3), seed % 12 in (2, 9)
    return {"rules": seed % 2 == 1, "outcomes": seed % 4 > 1, "values": values, "sticky": sticky}


def test_the_method_s_first_batch_is_explained_step_by_step() -> None:
    """100 leads on .8, 1, 1.2: ideals 26.67, 33.33, 40, rounded 27, 33, 40."""
    outputs, _ = decided(events.the_seeds_story())
    first, second, third = explained(outputs, "L17")
    assert (first["assignee_id"], first["position"], first["batch_size"]) == ("B", 17, 100)
    (only,) = first["rounds"]
    got = {share["assignee_id"]: (share["rounded"], share["assigned"]) for share in only["shares"]}
    assert got == {"A": (27, 27), "B": (33, 33), "C": (40, 40)}
    (share,) = [share for share in second["rounds"][0]["shares"] if share["assignee_id"] == "A"]
    assert share["cumulative_error_before_exact"] == "1/3"
    assert (share["ideal"], share["assigned"]) == ("13.000000000000", 13)
    assert [each["checked"] for each in (first, second, third)] == [True] * 3
    text = words(first)
    assert "ideal = fair share 33.3333 of 100 leads - cumulative error 0.0000 = 33.3333" in text
    assert "All roundings add up to 100: nothing was left to fine-tune." in text
    assert "Lead 6 of 33 for B belongs into places 16 to 19." in text
    assert text.endswith("Checked: recomputed from the decision, the same.")


def test_fine_tuning_says_who_is_owed_most_and_single_batches_alternate() -> None:
    """Weights .6 and .4, three batches of one: A, B, A."""
    story = [events.roster("r", {"A": "0.6", "B": "0.4"})]
    outputs, _ = decided([*story, *(events.lead_batch(f"b{n}", [f"L{n}"]) for n in (1, 2, 3))])
    told = [explained(outputs, f"L{n}")[0] for n in (1, 2, 3)]
    assert [each["assignee_id"] for each in told] == ["A", "B", "A"]
    assert "Why B, of 2 who took part:" in words(told[1])
    tied, _ = decided([events.roster("r", {"A": "1", "B": "1"}), events.lead_batch("b", ["L"])])
    (told_tied,) = explained(tied, "L")
    (step,) = told_tied["rounds"][0]["fine_tuning"]
    assert step["lead"] == -1  # a half is rounded up for both
    assert {step["assignee_id"], step["equal"]} == {"A", "B"}
    assert "1 too many: taken from whoever is furthest ahead" in words(told_tied)
    assert f"like {step['equal']}, and last in rank" in words(told_tied)


def test_every_lead_of_random_histories_comes_to_the_same_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Skills, capacities, pauses, leavers, corrections, zero weights, rosters of forty."""
    monkeypatch.setattr(roster_writer, "NAMES", roster_writer.NAMES + MANY)
    leads = incomplete = rounds = groups = waited = by_order = again = 0
    measured = lacking = owned = 0
    for seed in range(HISTORIES):
        outputs = random_outputs(seed, monkeypatch)
        incomplete += sum(not each["shares_complete"] for each in dispatched(outputs))
        groups += sum(len(each.get("groups") or ()) > 1 for each in dispatched(outputs))
        assigned = [each["lead_id"] for each in outputs if each["type"] == "lead_assigned"]
        told = [each for lead in sorted(set(assigned)) for each in explained(outputs, lead)]
        assert len(told) == len(assigned)
        for each in told:
            if each["checked"] is None:
                # How large the leads were that waited for room stands nowhere, nor, among equals
                # that went to one, which of them were theirs already.
                (reason,) = each["not_known"]
                if mix_of(seed)["sticky"] and ("had to go" in reason or "its groups" in reason):
                    owned += 1
                else:
                    assert "nobody had room for" in reason, (seed, reason)
                    lacking += 1
                continue
            assert each["checked"] is True, (seed, each["assignment_id"], each["differences"])
            forced = each["could_take_it"]["forced_to"]
            if forced is not None:
                assert forced == each["assignee_id"]
            elif "measured" in each:
                owed = each["measured"]["owed_most_first"]
                assert not owed or owed[0]["assignee_id"] == each["assignee_id"]
                measured += 1
            else:
                assert each["slot"]["agrees"]
            by_order += forced is not None
            again += each["dispatched_because"] is not None
            assert words(each)
            rounds += len(each["rounds"]) > 1
            waited += bool(each["parked"])
        leads += len(told)
    assert leads > 3_000
    assert min(incomplete, groups, rounds, waited, by_order, again, measured) >= 10
    assert lacking < leads // 50
    assert owned < leads // 25


def test_a_lead_that_goes_on_is_explained_on_each_level() -> None:
    """From the hub down, with rules and without; what didn't go on has gaps beside it."""
    went_on = stayed = 0
    for seed in range(80):
        mix = {"rules": seed % 2 == 1, "outcomes": seed % 4 > 1, "routes": True}
        outputs = decided(history(seed, 3, EVENTS, leads_max=30, **mix))[0]
        assigned = [each["lead_id"] for each in outputs if each["type"] == "lead_assigned"]
        batches = [each for each in outputs if each["type"] == "lead_batch"]
        sent = [lead["lead_id"] for each in batches for lead in each["leads"]]
        told = [each for lead in sorted({*assigned, *sent}) for each in explained(outputs, lead)]
        assert len(told) == len(assigned) + len(sent)
        for each in told:
            assert each["checked"] is True, (seed, each["channel"], each["differences"])
            assert each.get("slot", {"agrees": True})["agrees"]
            assert words(each)
        went_on += len(sent)
        stayed += len(assigned)
    assert min(went_on, stayed) > 1_000
    story = [
        events.roster("r", {"A": "1", "carlton": "1"}),
        events.change("assignee_routed", "c", assignee_id="carlton", routes_to="web/carlton"),
        events.roster("s", {"kim": "1"}, "web/carlton"),
        events.lead_batch("b", 4),
    ]
    outputs, _ = decided(story)
    (lead,) = [each["leads"][0]["lead_id"] for each in outputs if each["type"] == "lead_batch"]
    above, below = explained(outputs, lead)
    assert (above["went_on_to"], above["went_on_in"]) == ("web/carlton", "web/3/carlton")
    assert (below["channel"], below["assignee_id"]) == ("web/carlton", "kim")
    assert "and on to channel web/carlton, one of 4 of batch b" in words(above)
    changed = copy.deepcopy(outputs)
    dispatched(changed)[0]["routed"][0]["leads"] = 3
    assert explained(changed, lead)[0]["checked"] is False


def test_a_log_that_begins_late_says_what_is_not_known_and_nothing_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much of its beginning is gone."""
    monkeypatch.setattr(roster_writer, "NAMES", roster_writer.NAMES + MANY)
    verdicts = set()
    for seed in range(60):
        outputs = random_outputs(seed, monkeypatch)
        kept = outputs[len(outputs) // 3 :]
        for lead in sorted({each["lead_id"] for each in kept if "lead_id" in each})[:5]:
            for told in explained(kept, lead):
                assert told["checked"] is not False, (seed, told["differences"])
                assert bool(told["not_known"]) == (told["checked"] is None)
                assert words(told)
                verdicts.add(told["checked"])
    assert verdicts == {True, None}


def test_any_figure_of_a_decision_that_is_changed_is_noticed() -> None:
    """In the first decision that lists everybody and in one that follows, of whomever."""
    outputs, _ = decided(events.the_seeds_story())
    for number in (0, 1):
        for row in range(3):
            for name, value in dispatched(outputs)[number]["shares"][row].items():
                changed = copy.deepcopy(outputs)
                decision = dispatched(changed)[number]
                decision["shares"][row][name] = _other(name, value)
                told = explained(changed, "L17")[number]
                assert told["checked"] is False, (number, row, name)
                assert told["differences"]
                assert "DIFFERENT" in words(told)


def test_by_rules_too_any_figure_that_is_changed_is_noticed() -> None:
    """By one unit of an error, or in what a group says of who was able."""
    vietnamese = {"lead_id": "V", "attributes": {"language": "vi"}}
    outputs, _ = decided(
        [
            events.roster("r", {"A": "0.7", "B": "1", "C": "1.2"}),
            events.change("channel_configured", "c", required_skills=["language"]),
            events.change("skills_changed", "s", assignee_id="A", skills=["language=vi"]),
            events.change("skills_changed", "t", assignee_id="B", skills=["language=vi"]),
            events.change("capacity_changed", "p", assignee_id="C", per_day=1),
            events.lead_batch("b", ["w", vietnamese, "x", "y", "z"]),
        ]
    )
    (told,) = explained(outputs, "V")
    assert (told["checked"], told["group"]["place"]) == (True, 1)
    (decision,) = dispatched(outputs)
    for which, rows in (("shares", decision["shares"]), ("groups", decision["groups"])):
        for number, row in enumerate(rows):
            for name, value in row.items():
                changed = copy.deepcopy(outputs)
                again = dispatched(changed)[0][which][number]
                again[name] = ["A"] if isinstance(value, list) else _other(name, value)
                (told,) = explained(changed, "V")
                assert told["checked"] is not True, (which, number, name)
                if which == "shares":
                    assert told["checked"] is False, (number, name)
                if name == "cumulative_error_numerator":
                    assert stated(changed, row["assignee_id"]).missing != 0


def _other(name: str, value: object) -> object:
    if name == "assignee_id":
        return "Z"
    if isinstance(value, int):
        return value + 1
    digits = str(value)
    return digits[:-1] + ("1" if digits[-1] != "1" else "2")


def test_a_lead_that_went_to_somebody_else_than_the_order_says_is_noticed() -> None:
    """Even if everybody got as many as they should."""
    outputs, _ = decided(events.the_seeds_story())
    leads = [each for each in outputs if each["type"] == "lead_assigned"][:2]
    leads[0]["assignee_id"], leads[1]["assignee_id"] = (
        leads[1]["assignee_id"],
        leads[0]["assignee_id"],
    )
    told = explained(outputs, "L1")[0]
    assert told["checked"] is False
    assert [each["what"] for each in told["differences"]] == [
        "who got lead L1 at position 1",
        "who got lead L2 at position 2",
    ]


def test_a_lead_that_waited_says_since_when_why_and_what_let_it_go() -> None:
    """Nobody there at first; without a skill; over a day's capacity."""
    vietnamese = {"lead_id": "V", "attributes": {"language": "vi"}}
    outputs, _ = decided(
        [
            events.lead_batch("early", ["E"]),
            events.change("assignee_joined", "j", assignee_id="A", weight="1"),
            events.change("channel_configured", "c", required_skills=["language"]),
            events.lead_batch("b", ["x", vietnamese]),
            events.change("skills_changed", "s", assignee_id="A", skills=["language=vi"]),
            events.change("capacity_changed", "p", assignee_id="A", per_day=0),
            events.lead_batch("full", ["F"]),
            events.change("capacity_changed", "q", assignee_id="A", per_day=9),
        ]
    )
    early, skilled, full = (explained(outputs, lead)[0] for lead in ("E", "V", "F"))
    assert early["parked"]["because"] == ["nobody_active"]
    assert early["parked"]["released_by"]["change_type"] == "assignee_joined"
    assert skilled["parked"]["because"] == ["nobody_with_the_skills"]
    assert skilled["could_take_it"]["required_skills"] == ["language=vi"]
    assert full["parked"]["because"] == ["capacity_reached"]
    assert all(told["checked"] for told in (early, skilled, full))
    assert "because nobody active had the skills that it asks" in words(skilled)
    assert "Skills changed of A at 2026-11-21T09:00:00Z" in words(skilled)


def test_who_is_full_gets_what_they_have_room_for_and_the_rest_is_divided_again() -> None:
    """Each round is told."""
    outputs, _ = decided(
        [
            events.roster("r", {"A": "1", "B": "1"}),
            events.change("capacity_changed", "p", assignee_id="A", per_day=2),
            events.lead_batch("b", 10),
        ]
    )
    (told,) = explained(outputs, "L10")
    assert [each["capacity_reached"] for each in told["rounds"]] == [["A"], []]
    assert told["could_take_it"]["capacity_reached"] == ["A"]
    assert "A would have passed their capacity" in words(told)
    assert told["checked"] is True


def test_a_lead_that_was_given_back_is_explained_each_time() -> None:
    """What became of it stands between; a type that nobody knows yet is passed over."""
    told = explained(given_back(), "x")
    assert [each["state_version"] for each in told] == [2, 5]
    assert [each["checked"] for each in told] == [True, True]
    assert told[0]["dispatched_because"] is None
    again = told[1]["dispatched_because"]
    assert (again["outcome_type"], again["assignee_id"]) == ("lead_returned", "B")
    assert told[1]["assignee_id"] == "B"
    assert told[1]["rounds"][0]["shares"][0]["ideal"] == "1.000000000000"
    assert "Dispatched after lead returned by B" in words(told[1])


def test_a_lead_that_went_to_somebody_by_order_is_due_to_its_set_and_charged_to_them() -> None:
    """Nobody's turn is told then; who else could have taken it gets their part as owed."""
    outputs = given_back()
    decision = outputs[-1]
    skill = {"required_skills": [], "excluded": [], "leads": 1, "able": 2, "capped": []}
    decision |= {"groups": [{**skill, "parked": 0, "forced_to": "A"}], "groups_complete": True}
    decision["leads_parked"] = 0
    rows = {row["assignee_id"]: row for row in decision["shares"]}
    rows["A"] |= {"assigned": 1, "cumulative_error_after": "1.000000000000"}
    rows["A"]["cumulative_error_numerator"] = "2000000000000000000"
    rows["B"] |= {"assigned": 0, "cumulative_error_after": "-1.000000000000"}
    rows["B"]["cumulative_error_numerator"] = "-2000000000000000000"
    outputs[-2]["assignee_id"] = "A"
    told = explained(outputs, "x")[1]
    assert (told["differences"], told["checked"]) == ([], True)
    assert told["could_take_it"]["forced_to"] == "A"
    assert "It had to go to A" in words(told)
    assert "slot" not in told


def test_only_the_channel_that_is_asked_for_is_told() -> None:
    """The same lead_id may stand in any."""
    outputs, _ = decided(
        [
            events.roster("r", {"A": "1"}, "web"),
            events.roster("r", {"B": "1"}, "phone"),
            events.lead_batch("b", ["L"], "web"),
            events.lead_batch("b", ["L"], "phone"),
        ]
    )
    assert [told["channel"] for told in explained(outputs, "L")] == ["web", "phone"]
    assert [told["assignee_id"] for told in explained(outputs, "L", "phone")] == ["B"]
    without = [each for each in outputs if each["type"] != "batch_dispatched"]
    (told, _) = explained(without, "L")
    assert told["not_known"] == ["the log doesn't hold the decision of this batch"]
