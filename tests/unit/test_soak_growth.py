"""What the soak calls growth."""

from pathlib import Path

from tests.faults.soak_growth import Sample, growth_problems, plotted

MINUTES = 20


def course(*quarters: tuple[float, int]) -> list[Sample]:
    """A sample each minute; memory in MiB and open files are given for each quarter."""
    each = MINUTES // len(quarters)
    return [
        Sample("dispatcher", 60.0 * (number * each + minute), resident_mib, files)
        for number, (resident_mib, files) in enumerate(quarters)
        for minute in range(each)
    ]


def test_warming_up_is_no_growth() -> None:
    """The first quarter doesn't count."""
    assert not growth_problems(course((20, 10), (100, 40), (104, 41), (103, 40)), "dispatcher")


def test_memory_that_creeps_up_is_told() -> None:
    """With both figures."""
    found = growth_problems(course((90, 40), (100, 40), (110, 40), (120, 40)), "dispatcher")
    assert found == ["growth: dispatcher from 100 to 120 MiB"]


def test_files_that_are_left_open_are_told() -> None:
    """A client that is not closed keeps a dozen."""
    found = growth_problems(course((90, 30), (90, 40), (90, 60), (90, 80)), "dispatcher")
    assert found == ["growth: dispatcher from 40 to 80 open files"]


def test_one_spike_is_no_growth() -> None:
    """Medians are compared."""
    samples = course((90, 40), (90, 40), (90, 40), (90, 40))
    samples[-2] = samples[-2]._replace(resident_mib=900, open_files=400)
    assert not growth_problems(samples, "dispatcher")


def test_other_processes_are_not_judged() -> None:
    """A broker's memory is its own affair."""
    samples = course((90, 40), (90, 40), (90, 40), (90, 40))
    grown = [sample._replace(name="kafka", resident_mib=sample.at_s) for sample in samples]
    assert not growth_problems(samples + grown, "dispatcher")


def test_there_is_a_picture(tmp_path: Path) -> None:
    """Memory, files, leads."""
    plotted(course((90, 40), (100, 40)), [60.0, 120.0], [1_000, 2_000], tmp_path)
    assert (tmp_path / "soak.png").stat().st_size > 10_000
