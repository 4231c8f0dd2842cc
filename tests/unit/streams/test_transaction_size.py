"""After a transaction that failed the next is shorter, so that a slow network lets one through."""

from streams.deciding import Decider, Draft
from streams.settings import Settings


def full_at(decider: Decider) -> int:
    """How many records make a transaction full."""
    draft = Draft()
    while not decider.is_full(draft):
        draft.size += 1
    return draft.size


def test_a_failure_makes_the_next_transaction_shorter_and_successes_longer_again() -> None:
    """Down to one record, up to the setting."""
    settings = Settings(application_id="a", slot="0", transaction_records_max=1_000)
    decider = Decider(settings, dead_letter_partitions=1)
    sizes = [full_at(decider)]
    for _ in range(5):
        decider.failed()
        sizes.append(full_at(decider))
    assert sizes == [1_000, 125, 15, 1, 1, 1]
    for _ in range(11):
        decider.succeeded()
        sizes.append(full_at(decider))
    assert sizes[6:] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000, 1_000]
