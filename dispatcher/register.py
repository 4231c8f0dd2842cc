"""The lead register: who had a person's last lead, so that the same person goes to them again.

In: a lead's attributes and the rule of its channel. Out: keys to look people up by; of a dispatched
batch, what the register has to remember.

A person is known by attributes that the rule names (a phone number, an address), each by itself, in
the order of the rule. Values are normalised; what is kept is a hash of channel, attribute and
value: no personal data leaves the attributes. Whether an entry still counts is judged by the times
of events, never by a clock: so a replay decides the same.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol, cast

import msgspec

from dispatcher.decisions import Dispatched, OutcomeRecorded
from dispatcher.eligibility import Sticky
from dispatcher.requirements import Requirement, fields_of
from dispatcher.state_records import channel_key
from dispatcher.times import milliseconds
from schemas.inputs import LeadForgotten
from schemas.topics import DAY_MS

KEYS_REMEMBERED_MAX: Final = 1_024
"""Of leads: what is asked for with a batch is asked for again with what became of it."""

_PHONE_CHARACTERS: Final = frozenset("0123456789+-()./ ")
_PHONE_DIGITS_MIN: Final = 5

_decode_any = msgspec.json.Decoder().decode


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """Who had a person's lead last.

    Attributes:
        at_ms: when it was dispatched, milliseconds since 1970.
        days: for how long that counts, by the rule of then.
        batch_id, lead_id: which one it was.
    """

    assignee_id: str
    at_ms: int
    days: int
    batch_id: str
    lead_id: str

    def counts(self, now_ms: int, sticky: Sticky) -> bool:
        """Whether it still does, at a time and by the rule of now."""
        return self.at_ms >= now_ms - min(self.days, sticky.days) * DAY_MS


class Owners(Protocol):
    """What the register knows, by key."""

    def get(self, key: str, /) -> Owner | None:
        """The last owner, however long ago; None for somebody new."""


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def person_keys(channel: str, attributes: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """What a lead's person is known by: 128 bits in hex for each attribute that is there.

    Args:
        attributes: a JSON object as text.
        names: of the attributes, in the order of the rule.
    """
    fields = fields_of(attributes)
    keys = []
    for name in names:
        value = normalised(fields[name]) if name in fields else ""
        if value:
            text = f"{channel}\n{name}\n{value}".encode()
            keys.append(hashlib.sha256(text).hexdigest()[:32])
    return tuple(keys)


def normalised(raw: msgspec.Raw | bytes) -> str:
    """A value as people mean it; "" for what names nobody (null, lists, objects, true, false).

    Texts: compatible characters as one, case and outer space ignored, space in between as one.
    What looks like a phone number: its digits, without leading zeros of an international prefix.
    """
    try:
        value = cast("object", _decode_any(raw))
    except msgspec.DecodeError:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = " ".join(unicodedata.normalize("NFKC", str(value)).casefold().split())
    digits = "".join(character for character in text if "0" <= character <= "9")
    if len(digits) >= _PHONE_DIGITS_MIN and _PHONE_CHARACTERS.issuperset(text):
        return digits.removeprefix("00")
    return text


def with_owners(
    requirements: list[Requirement],
    attributes: Sequence[str],
    channel: str,
    sticky: Sticky,
    owners: Owners,
    now_ms: int,
) -> list[Requirement]:
    """The requirements of leads with whom each should go to, if they may take it."""
    found = []
    for requirement, text in zip(requirements, attributes, strict=True):
        owner = ""
        for key in person_keys(channel, text, sticky.attributes):
            known = owners.get(key)
            if known is not None and known.counts(now_ms, sticky):
                owner = known.assignee_id
                break
        found.append(requirement._replace(owner=owner) if owner else requirement)
    return found


FORGOTTEN: Final = Owner("", 0, 0, "", "")
"""In place of an owner that is to be forgotten; it never counts. On the topic it is a tombstone."""


def entries(decision: Dispatched | OutcomeRecorded) -> Iterator[tuple[str, Owner]]:
    """What the register remembers, or forgets, by key; of equals the last counts."""
    if isinstance(decision, OutcomeRecorded):
        outcome = decision.received.outcome
        if isinstance(outcome, LeadForgotten):
            yield from ((key, FORGOTTEN) for key in outcome.persons)
        return
    if decision.sticky is None:
        return
    at_ms, days = milliseconds(decision.decided_at), decision.sticky.days
    members = decision.roster.members
    for lead_id, text, rank in zip(
        decision.lead_ids, decision.attributes, decision.order, strict=True
    ):
        for key in person_keys(decision.channel, text, decision.sticky.attributes):
            yield key, Owner(members[rank].assignee_id, at_ms, days, decision.batch_id, lead_id)


def record_key(channel: str, key: str) -> bytes:
    """Under which an entry stands on the register's topic."""
    return channel_key(channel) + b"/" + key.encode()


def key_of(record_key: bytes) -> str:
    """The key by which it is looked up."""
    return record_key.rpartition(b"/")[2].decode()


encode_owner: Final = msgspec.json.Encoder().encode
decode_owner: Final = msgspec.json.Decoder(Owner).decode


def record_value(owner: Owner) -> bytes | None:
    """What stands on the register's topic."""
    return None if owner == FORGOTTEN else encode_owner(owner)


def owner_of(value: bytes | None) -> Owner:
    """Read it back."""
    return FORGOTTEN if value is None else decode_owner(value)
