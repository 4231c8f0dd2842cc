"""The immutable queue that is looked up by key."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.recent import Recent, recent_from

actions = st.lists(st.one_of(st.integers(0, 40), st.just("oldest")), max_size=120)


@given(actions, st.sampled_from([1, 3, 10, None]))
def test_it_holds_what_a_plain_list_holds(steps: list[int | str], length_max: int | None) -> None:
    """Look-ups, order, numbers, and the newest value of a key that came twice."""
    recent: Recent[int, int] = Recent()
    plain: list[tuple[int, int, int]] = []
    for at, step in enumerate(steps):
        if step == "oldest":
            if plain:
                recent = recent.without_oldest()
                plain.pop(0)
        elif isinstance(step, int) and all(key != step for _, key, _ in plain):
            plain.append((recent.next_number, step, at))
            recent = recent.added(step, at, length_max)
            if length_max is not None:
                plain = plain[-length_max:]
        assert len(plain) == len(recent)
        assert plain == list(recent.entries())
        values = {key: value for _, key, value in plain}
        assert [values.get(key) for key in range(41)] == [recent.get(key) for key in range(41)]
        if plain:
            middle = plain[len(plain) // 2][0]
            assert [entry for entry in plain if entry[0] >= middle] == recent.since(middle)


def test_an_earlier_value_is_not_changed_by_what_is_added_later() -> None:
    """A transaction that aborts leaves no trace in the window."""
    before: Recent[str, int] = Recent()
    for number in range(10):
        before = before.added(str(number), number)
    snapshot = list(before.entries())
    for number in range(10, 100):
        before.added(str(number), number)
    assert snapshot == list(before.entries())
    assert before.get("10") is None


@given(st.integers(0, 30), st.integers(0, 30))
def test_what_is_stored_and_read_back_is_the_same_queue(first: int, length: int) -> None:
    """Whatever the order in which the entries are read, and whatever else lies there."""
    entries = [(number, f"k{number}", number) for number in range(first + length)]
    read = recent_from(reversed(entries), first, first + length)
    assert entries[first:] == list(read.entries())
    assert length == len(read)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 25)), max_size=80),
    st.sampled_from([1, 3, 10, None]),
)
def test_queues_that_share_a_log_do_not_see_each_other(
    steps: list[tuple[int, int]], length_max: int | None
) -> None:
    """Any queue of before can be gone on from, again and again, as after an abort."""
    family: list[tuple[Recent[int, int], list[tuple[int, int, int]]]] = [(Recent(), [])]
    for at, (which, key) in enumerate(steps):
        recent, plain = family[-1 - which % min(len(family), 4)]
        if any(each == key for _, each, _ in plain):
            family.append((recent.without_oldest(), plain[1:]))
            continue
        kept = [*plain, (recent.next_number, key, at)]
        kept = kept if length_max is None else kept[-length_max:]
        family.append((recent.added(key, at, length_max), kept))
        for each, expected in family:
            assert expected == list(each.entries())
            values = {found: value for _, found, value in expected}
            assert [values.get(key) for key in range(26)] == [each.get(key) for key in range(26)]


def test_what_has_left_is_not_kept_for_ever() -> None:
    """A quarter more than what counts, and nothing is copied in between."""
    recent: Recent[int, None] = Recent()
    logs = set()
    for number in range(5_000):
        recent = recent.added(number, None, 1_000)
        assert recent.log is not None
        logs.add(id(recent.log))
        assert len(recent.log.entries) <= 1_000 * 5 // 4 + 20
    assert len(logs) <= 5_000 // 200
