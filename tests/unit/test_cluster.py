"""Who coordinates a transaction is computed as Kafka does it."""

import pytest

from tests.support.cluster import transactions_partition


@pytest.mark.parametrize(
    ("transactional_id", "partition"),
    [
        ("abc", 96_354 % 4),
        ("hello", 99_162_322 % 4),
        # Java's least integer, which has no positive counterpart.
        ("polygenelubricants", 0),
        ("", 0),
    ],
)
def test_the_partition_is_java_s_hash_of_the_id(transactional_id: str, partition: int) -> None:
    """Against hash codes that Java prints."""
    assert transactions_partition(transactional_id) == partition
