"""Are two lists of outputs the same, as far as the method fixes them?

Compared: every field that the reference writes, except the free text of a dead letter. Exact
errors are compared as fractions, whatever denominator was chosen. A decision that lists only
those who received leads (``shares_complete`` false) may leave out rows with none.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import zip_longest

from .validation import Json

FREE = {"detail"}


def differences(actual: Sequence[Json], expected: Sequence[Json], most: int = 10) -> list[str]:
    """The first ``most`` differences in words; empty if there are none.

    ``expected`` comes from the reference, ``actual`` from what is tested.
    """
    found: list[str] = []
    for number, (theirs, ours) in enumerate(zip_longest(actual, expected), start=1):
        if len(found) >= most:
            break
        if theirs is None or ours is None:
            found.append(f"output {number}: {theirs!r} instead of {ours!r}")
            break
        found += [f"output {number}: {text}" for text in _differences(theirs, ours)]
    return found[:most]


def _differences(actual: Json, expected: Json) -> list[str]:
    if actual.get("type") != expected["type"]:
        return [f"{actual!r} instead of {expected!r}"]
    found = []
    for name in expected:
        if name in FREE or name == "error_denominator":
            continue
        if name == "shares":
            found += _row_differences(actual, expected)
        elif actual.get(name) != expected[name]:
            found.append(f"{name} is {actual.get(name)!r} instead of {expected[name]!r}")
    return [f"{expected['type']}: {text}" for text in found]


def _row_differences(actual: Json, expected: Json) -> list[str]:
    theirs = {row["assignee_id"]: row for row in actual["shares"]}
    ours = {row["assignee_id"]: row for row in expected["shares"]}
    if list(theirs) != sorted(theirs):
        return ["rows are not in order of assignee_id"]
    found = [f"a row for the stranger {name!r}" for name in theirs if name not in ours]
    for name, row in ours.items():
        if name in theirs:
            found += _value_differences(name, _exact(theirs[name], actual), _exact(row, expected))
        elif actual.get("shares_complete", True) or row["assigned"]:
            found.append(f"no row for {name!r}")
    return found


def _value_differences(name: str, theirs: Json, ours: Json) -> list[str]:
    return [
        f"{name}: {key} is {theirs.get(key)!r} instead of {ours[key]!r}"
        for key in ours
        if theirs.get(key) != ours[key]
    ]


def _exact(row: Json, decision: Json) -> Json:
    """The row with its error after as one fraction."""
    numerator = Fraction(row["cumulative_error_numerator"])
    exact = numerator / Fraction(decision["error_denominator"])
    return {**row, "cumulative_error_numerator": exact}
