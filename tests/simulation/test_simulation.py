"""Random histories under random faults, on the model of Kafka and Redis: nothing ever breaks."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from streams import processor
from tests.reference import events

from .clients import SimProducer
from .controls import ENVIRONMENT, ROOT
from .stage import Stage
from .world import World

SECONDS = float(os.environ.get("PARTIDOR_SIMULATION_SECONDS", "120"))
PROCESSES = 2


def test_seeds_in_a_row_keep_every_promise(say: Callable[[str], None]) -> None:
    """As many seeds as fit the time, in two processes; the end of the run says how many."""
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "1000000"]
    command += ["--seconds", str(SECONDS), "--stride", str(PROCESSES)]
    running = [
        subprocess.Popen(
            [*command, "--first", str(first)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for first in range(1, PROCESSES + 1)
    ]
    outputs = [process.communicate()[0] for process in running]
    for process, output in zip(running, outputs, strict=True):
        assert process.returncode == 0, output[-6_000:]
    totals = [re.search(r"^\d+ seeds, .*$", output, re.MULTILINE) for output in outputs]
    say("simulation: " + "; ".join(total[0] for total in totals if total))


def test_a_seed_gives_the_same_run_every_time() -> None:
    """To the last line of its trace."""
    first, second = (World(7).run() for _ in range(2))
    assert list(first.trace.lines) == list(second.trace.lines)
    assert first.steps == second.steps >= 200


def test_an_idle_dispatcher_hears_its_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oftener than transactions alone do, which is when they begin and end."""
    calls: Counter[str] = Counter()
    begin, serve = SimProducer.begin, SimProducer.serve

    def begun(producer: SimProducer) -> None:
        calls["begin"] += 1
        begin(producer)

    def served(producer: SimProducer, timeout_ms: int) -> None:
        calls["serve"] += 1
        serve(producer, timeout_ms)

    monkeypatch.setattr(SimProducer, "begin", begun)
    monkeypatch.setattr(SimProducer, "serve", served)
    World(7).run()
    assert calls["serve"] > 3 * calls["begin"] > 0


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_seeds_in_which_a_revocation_and_what_follows_come_with_one_poll(first: int) -> None:
    """As when whoever joins or leaves is alone with this one, on a quick network."""
    for seed in range(first, first + 20):
        world = World(seed)
        world.kafka.group.rejoined_within_ms = 20.0
        world.run()


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_seeds_in_which_every_draft_waits_for_one_more_poll(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """As the long ones do: what that poll tells of a rebalance or brings counts for them, too."""
    monkeypatch.setattr(processor, "OVERLAPPED_RECORDS_MIN", 1)
    for seed in range(first, first + 20):
        World(seed).run()


@pytest.mark.parametrize(("records_min", "overlaps"), [(1, True), (1_000, False)])
def test_what_one_more_poll_brings_is_decided_while_brokers_are_at_work(
    monkeypatch: pytest.MonkeyPatch, records_min: int, *, overlaps: bool
) -> None:
    """One poll brings no more than one transaction holds: the next one is decided meanwhile."""
    monkeypatch.setattr(processor, "OVERLAPPED_RECORDS_MIN", records_min)
    stage = Stage(poll_records_max=1, transaction_gap_ms=0)
    process = stage.begin()
    decided_ahead: list[bool] = []

    def look() -> None:
        assert process.processor is not None
        decided_ahead.append(bool(process.processor._ahead.tasks))
        process.thread.trap("before EndTxn", look)

    process.thread.trap("before EndTxn", look)
    stage.send(*(events.lead_batch(f"b{number}", 2) for number in range(30)))
    stage.settle()
    process.thread.clear_traps()
    stage.finish()
    assert any(decided_ahead) is overlaps
