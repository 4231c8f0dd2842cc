"""The partitioner is the Java clients'."""

import pytest

from schemas.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed_hash"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_hashes_that_apache_kafka_tests_its_own_with(
    key: bytes, signed_hash: int
) -> None:
    """The vectors are published with the Java client."""
    assert signed_hash & 0xFFFFFFFF == murmur2(key)


def test_a_key_belongs_to_one_of_the_partitions() -> None:
    """The sign bit is dropped before the remainder is taken."""
    assert {partition_of(b"%d" % n, 12) for n in range(1000)} == set(range(12))
    assert (-973932308 & 0x7FFFFFFF) % 7 == partition_of(b"21", 7)
