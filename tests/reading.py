"""The two ways to read a lead batch, on as many inputs as one likes: do they say the same?

    tests/run reading [--inputs N] [--seed N]

What is valid is said by the pydantic models; `streams.plain_batches` reads most batches without
them. Inputs are valid batches with odd values in odd places, and half of them are damaged further,
byte by byte, under limits that some of them exceed. The first one on which the ways differ is
printed, and the exit status is 1.
"""

import argparse
import random
import sys
import time
from collections import Counter
from typing import Final, NamedTuple
from unittest import mock

from dispatcher.events import BatchReceived, InputRef
from dispatcher.limits import Limits
from streams import intake
from streams.intake import Refused, read_batch

REFERENCE: Final = InputRef("leads.batches", 0, 0)
LIMITS: Final = (
    Limits(),
    Limits(attributes_bytes_max=40, nesting_max=4, leads_per_batch_max=2),
    Limits(attributes_bytes_max=300, nesting_max=7),
)
IDS: Final = (
    '"L1"',
    '"L2"',
    '"L3"',
    '"L1"',
    '"b"',
    '""',
    '" "',
    '"é"',
    '"😀"',
    '"\\u00e9"',
    '"\\""',
    '"\\\\"',
    '"\\/"',
    '"\\u0000"',
    '"\\n"',
    '"\x7f"',
    '"\\u007f"',
    '"\x85"',
    '"\u2028"',
    '"\\ud800"',
    '"\ud7ff"',
    f'"{"x" * 200}"',
    f'"{"x" * 201}"',
    f'"{"é" * 200}"',
    "1",
    "null",
    "true",
    "[]",
    "{}",
    "1.5",
)
ATTRIBUTES: Final = (
    "{}",
    '{"source":"web"}',
    '{"a":1,"a":2}',
    '{ "a" : [ 1 , 2 ] }',
    '{"a":{"b":{"c":{}}}}',
    '{"":""}',
    '{"a":1e400}',
    '{"a":-0}',
    '{"a":01}',
    '{"a":NaN}',
    '{"a":"\\ud800"}',
    '{"a":"\\x"}',
    '{"é":"😀"}',
    '{"a":"{[{["}',
    '{"a":"\\u0000"}',
    f'{{"a":"{"y" * 60}"}}',
    f'{{"a":"{"é" * 30}"}}',
    "[]",
    '"{}"',
    "null",
    "1",
    '{"a":123456789012345678901234567890}',
    '{"a":[[[[[[]]]]]]}',
    '{"lead_id":"L9"}',
    "{",
)
TIMES: Final = (
    '"2026-11-21T09:00:00Z"',
    '"2026-11-21T09:00:00Z"',
    '"2026-11-21T09:00:00.123+01:00"',
    '"2026-13-21T09:00:00Z"',
    '"2026-11-21"',
    '"2026-11-21T09:00:00"',
    "1",
    '"9999-12-31T23:59:59Z"',
)
TYPES: Final = ('"lead_batch"',) * 6 + ('"roster_replaced"', "1", '"lead\\u005fbatch"')
VERSIONS: Final = ("1",) * 6 + ("2", "0", "-1", '"1"', "true", "1.0", "1e0", "99999999999999999999")
SPACES: Final = ("",) * 8 + (" ", "\n", "\t", "\r\n", "\u00a0", "\ufeff")
DAMAGE: Final = b'{}[]",:\\\x00\x7f\x80\xc3\xff 0eE-+.tn\n\r'


class Difference(NamedTuple):
    """An input that the two ways read differently."""

    value: bytes
    limits: Limits
    quick: object
    by_model: object


def batch(rng: random.Random) -> bytes:
    """One that may be valid."""
    odd = rng.random() < 0.5

    def pick(usual: str, values: tuple[str, ...]) -> str:
        return rng.choice(values) if odd and rng.random() < 0.3 else usual

    def joined(fields: list[tuple[str, str]]) -> str:
        if odd and rng.random() < 0.2:
            rng.shuffle(fields)
        if odd and rng.random() < 0.1:
            fields.append(rng.choice(fields))
        if odd and rng.random() < 0.1:
            fields.pop(rng.randrange(len(fields)))
        if odd and rng.random() < 0.1:
            fields.append(("extra", rng.choice(ATTRIBUTES)))
        space = rng.choice(SPACES) if odd else ""
        return "{" + f",{space}".join(f'"{name}"{space}:{value}' for name, value in fields) + "}"

    leads = []
    for number in range(rng.choice((1, 1, 1, 1, 2, 3, 4, 0))):
        fields = [("lead_id", pick(f'"L{number}"', IDS))]
        if rng.random() < 0.8:
            fields.append(("attributes", pick('{"source":"web"}', ATTRIBUTES)))
        leads.append(joined(fields) if not odd or rng.random() < 0.97 else rng.choice(IDS))
    text = joined(
        [
            ("type", pick('"lead_batch"', TYPES)),
            ("schema_version", pick("1", VERSIONS)),
            ("batch_id", pick('"b-1"', IDS)),
            ("channel", pick('"web"', IDS)),
            ("created_at", pick('"2026-11-21T09:00:00Z"', TIMES)),
            ("leads", "[" + ",".join(leads) + "]"),
        ]
    )
    return text.encode("utf-8", "surrogatepass")


def damaged(value: bytes, rng: random.Random) -> bytes:
    """With some bytes replaced, put in, left out or repeated."""
    content = bytearray(value)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content) + 1)
        length = rng.choice((0, 1, 1, 2, 8))
        kind = rng.randrange(3)
        if kind == 0:
            content[at : at + length] = bytes(rng.choice(DAMAGE) for _ in range(rng.randint(0, 2)))
        elif kind == 1:
            content[at:at] = content[max(0, at - length) : at]
        else:
            content[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(content)


def _outcome(value: bytes, limits: Limits) -> object:
    try:
        return read_batch(value, limits, REFERENCE, None)
    except Refused as refused:
        return refused.reason, refused.detail


def difference(value: bytes, limits: Limits) -> Difference | None:
    """What the two ways make of an input, if it isn't the same."""
    quick = _outcome(value, limits)
    with mock.patch.object(intake, "read_plain_batch", return_value=None):
        by_model = _outcome(value, limits)
    return None if quick == by_model else Difference(value, limits, quick, by_model)


def search(inputs: int, seed: int, counts: Counter[str]) -> Difference | None:
    """The first difference among so many inputs; counts what they were."""
    rng = random.Random(seed)
    for _ in range(inputs):
        value = batch(rng)
        if rng.random() < 0.5:
            value = damaged(value, rng)
        limits = rng.choice(LIMITS)
        found = difference(value, limits)
        if found is not None:
            return found
        quick = intake.read_plain_batch(value, limits) if _is_utf8(value) else None
        counts["read quickly" if quick is not None else "judged by the models"] += 1
        counts["valid" if isinstance(_outcome(value, limits), BatchReceived) else "refused"] += 1
    return None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def main() -> int:
    """Says how many inputs were read alike."""
    parser = argparse.ArgumentParser(prog="tests/run reading", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    found = search(options.inputs, options.seed, counts)
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
    print(f"{options.inputs:,} inputs in {time.monotonic() - began:.0f} s: {told}")
    if found is not None:
        print(f"they differ on {found.value!r} with {found.limits}:")
        print(f"quickly:       {found.quick}\nby the models: {found.by_model}")
    return found is not None


if __name__ == "__main__":
    sys.exit(main())
