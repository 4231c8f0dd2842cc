"""The bounds of what a partition keeps; beyond them an input is a dead letter."""

import msgspec

from schemas.topics import INPUT_BYTES_MAX, ROSTER_BYTES_MAX


class Limits(msgspec.Struct, frozen=True):
    """Each bound is a setting (see `streams.settings`), here with its default.

    Attributes:
        input_bytes_max: value of an input record, uncompressed.
        leads_per_batch_max: leads in one event; ten thousand are dispatched in one transaction.
        attributes_bytes_max: a lead's attributes as they came; they are copied to the output.
        members_max: of a roster, paused members included.
        roster_bytes_max: of a decision that lists everyone.
        channels_per_partition_max: channels with a state; keeps invented names from filling memory.
        parked_leads_per_channel_max: leads that wait for somebody who can take them.
        parked_bytes_per_partition_max: what the leads that wait take in memory.
        nesting_max: levels of arrays and objects in an event.
    """

    input_bytes_max: int = INPUT_BYTES_MAX
    leads_per_batch_max: int = 10_000
    attributes_bytes_max: int = 16 * 1024
    members_max: int = 10_000
    roster_bytes_max: int = ROSTER_BYTES_MAX
    channels_per_partition_max: int = 200_000
    parked_leads_per_channel_max: int = 100_000
    parked_bytes_per_partition_max: int = 256 * 1024 * 1024
    nesting_max: int = 100

    def too_many_channels(self) -> str:
        """What is said of a channel beyond the bound."""
        return (
            "a channel never seen before; a partition keeps at most "
            f"{self.channels_per_partition_max} channels"
        )


class Room(msgspec.Struct, frozen=True):
    """What a partition can still take in, as `decide` is told it.

    Attributes:
        channels: further channels that may be created.
        parked_bytes: further bytes that may be parked.
    """

    channels: int
    parked_bytes: int


RECENT_LENGTH_MAX = 1_000
"""Batches and, apart from them, changes that a channel remembers to know duplicates (R10)."""
