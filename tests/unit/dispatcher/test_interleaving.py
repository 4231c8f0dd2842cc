"""The order inside a batch."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import interleaving
from dispatcher.interleaving import earliest_closing_first, interleave
from tests.reference.arithmetic import interleaved

counts_of_a_batch = st.lists(st.integers(0, 30), min_size=1, max_size=8)


@given(counts_of_a_batch)
def test_everyone_is_within_one_lead_of_their_share_of_every_prefix(counts: list[int]) -> None:
    """Just-in-time sequencing: strictly less than one lead, at each position."""
    order = interleave(counts)
    assert [order.count(rank) for rank in range(len(counts))] == counts
    size = sum(counts)
    given_out = [0] * len(counts)
    for position, rank in enumerate(order, start=1):
        given_out[rank] += 1
        for got, count in zip(given_out, counts, strict=True):
            assert abs(got - Fraction(position * count, size)) < 1


@given(counts_of_a_batch)
def test_the_order_is_that_of_the_literal_reference(counts: list[int]) -> None:
    """Slot by slot, the window that closes first."""
    names = [f"{rank:02d}" for rank in range(len(counts))]
    literal = interleaved(dict(zip(names, counts, strict=True)), names)
    assert [int(name) for name in literal] == list(earliest_closing_first(counts))


def test_remembered_orders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old orders make room; what is returned stays right."""
    bound = 1_000
    monkeypatch.setattr(interleaving, "REMEMBERED_POSITIONS_MAX", bound)
    for extra in range(3):
        order = interleave((bound // 2 + extra, 1))
        assert len(order) == bound // 2 + extra + 1
    assert interleaving._remembered_positions <= bound
    assert sum(map(len, interleaving._remembered.values())) == interleaving._remembered_positions
