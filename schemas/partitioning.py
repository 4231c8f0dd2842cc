"""Which partition a key belongs to: the Java clients' default partitioner (murmur2).

librdkafka calls it `murmur2_random`; its own default (`consistent_random`) is another one,
so a source that does not set `partitioner` sends most channels to the wrong partition.
"""

from functools import lru_cache

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash of the key, unsigned, as `org.apache.kafka.common.utils.Utils`."""
    length = len(key)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partition_count: int) -> int:
    """The partition, 0 to `partition_count` - 1, that holds every record with this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partition_count
