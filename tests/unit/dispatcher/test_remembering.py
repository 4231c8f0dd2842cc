"""Results are remembered while that pays, and are right in any case."""

from dispatcher.remembering import PAYS_FROM, RESTS_FOR, Remembering

KEPT = 8


class Counted:
    """A function that counts how often it is really called."""

    def __init__(self) -> None:
        """Not yet."""
        self.calls = 0

    def __call__(self, number: int) -> int:
        """Its square."""
        self.calls += 1
        return number * number


def test_what_comes_back_is_worked_out_once() -> None:
    """However long it goes on."""
    counted = Counted()
    squares = Remembering(counted, KEPT)
    for number in range(1_000):
        assert squares.call(number % KEPT) == (number % KEPT) ** 2
    assert counted.calls == KEPT


def test_what_never_comes_back_is_soon_not_looked_for() -> None:
    """Then nothing is kept, until it is tried again."""
    counted = Counted()
    squares = Remembering(counted, KEPT)
    tried = 2 * KEPT
    for number in range(tried):
        assert squares.call(number) == number * number
    # Were anything kept, or looked for, this would be worked out once.
    for _ in range(RESTS_FOR * KEPT):
        assert squares.call(3) == 9
    assert counted.calls == tried + RESTS_FOR * KEPT
    for _ in range(100):
        assert squares.call(3) == 9
    assert counted.calls == tried + RESTS_FOR * KEPT + 1


def test_it_goes_on_while_enough_is_found() -> None:
    """One in so many calls is new; the least that pays is still remembered."""
    counted = Counted()
    squares = Remembering(counted, KEPT)
    found_to_new = int(PAYS_FROM / (1 - PAYS_FROM) * 3) + 1
    new = 0
    for number in range(1_000):
        for _ in range(1 + found_to_new):
            assert squares.call(number) == number * number
        new += 1
    assert counted.calls == new
