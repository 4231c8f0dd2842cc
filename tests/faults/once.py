"""Variants as tests: each once, with a seed of its own that stays the same.

The quick ones are run with every change; with PARTIDOR_TEST_FAULTS=all every one is.
The files of tests divide the faults among the processes that run side by side.
"""

import os
import zlib
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.support.machine import LeftOut

from .catalogue import Variant, chosen
from .perform import perform
from .servers import Servers

LeaveOut = Callable[[str, str], NoReturn]
EVERY_ONE = os.environ.get("PARTIDOR_TEST_FAULTS") == "all"


def each_variant(*faults: str) -> pytest.MarkDecorator:
    """One test for each variant of these faults."""
    found = [variant for variant in chosen(list(faults)) if variant.quick or EVERY_ONE]
    return pytest.mark.parametrize("variant", found, ids=lambda variant: variant.title)


def run_once(variant: Variant, shared: Servers, left_out: LeaveOut) -> None:
    """Fails with everything that was found; leaves out what this machine can't do, and says so."""
    try:
        result = perform(variant, zlib.crc32(variant.title.encode()), shared)
    except LeftOut as missing:
        left_out(missing.reason, missing.remedy)
    assert result.passes, result._replace(waits_s=[])
