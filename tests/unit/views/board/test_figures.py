import pytest

from streams.views.board.figures import (
    address,
    amount,
    byte_size,
    count,
    isolated,
    key,
    many,
    marked,
    milliseconds,
    moment,
    plain,
    seconds,
    signed,
)


def test_numbers_are_written_as_people_read_them() -> None:
    """Thousands set apart, two decimals, a sign only where it says something."""
    assert count(100553) == "100,553"
    assert amount("13.333333333333") == "13.33"
    assert (signed("0.333333333333"), signed("-0.5"), signed("-0.001")) == (
        "+0.33",
        "-0.50",
        "0.00",
    )
    assert signed("0.333333333333", 4) == "+0.3333"
    assert (plain("1.20"), plain("100"), plain("0.000000000000")) == ("1.2", "100", "0")
    assert (many(1, "lead"), many(1200, "lead")) == ("1 lead", "1,200 leads")
    assert many(2, "batch", "batches") == "2 batches"


def test_what_is_not_known_is_a_dash_and_no_zero() -> None:
    """Nobody takes one for the other."""
    for write in (count, amount, signed, plain, milliseconds, seconds, byte_size):
        assert write(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("ms", "told"),
    [(14, "14 ms"), (1500, "1.5 s"), (61_000, "61 s"), (600_000, "10 min"), (9e6, "2 h")],
)
def test_times_have_the_unit_that_fits(ms: float, told: str) -> None:
    """From milliseconds to days."""
    assert milliseconds(ms) == told


def test_sizes_have_the_unit_that_fits() -> None:
    """In powers of 1024."""
    assert [byte_size(each) for each in (512, 2048, 98_765_432, 5 * 1024**3)] == [
        "512 B",
        "2.0 KiB",
        "94.2 MiB",
        "5.0 GiB",
    ]


def test_moments_are_told_in_utc() -> None:
    """Whatever zone they were written in; what is no moment is left as it is."""
    assert moment("2026-11-22T21:00:00+11:00") == "2026-11-22 10:00:00 UTC"
    assert moment("2026-11-22T10:00:00.123456Z") == "2026-11-22 10:00:00 UTC"
    assert (moment("soon"), moment("2026-11-22T10:00:00")) == ("soon", "2026-11-22T10:00:00")


def test_ids_stand_in_the_query_with_everything_percent_encoded() -> None:
    """No browser normalises them there; what is not asked for is left out."""
    assert address("/channel", name="../a&b") == "/channel?name=..%2Fa%26b"
    assert address("/channel", "events", name="web", after="", before=None) == (
        "/channel?name=web#events"
    )


def test_ids_in_sentences_are_set_apart_whatever_they_hold() -> None:
    """Each stands in a <bdi>, escaped; marks within an id can't end it."""
    apart = isolated({"assignee_id": "<b>\u2069", "batch_size": 3, "able": ["A"], "type": "x"})
    assert (apart["batch_size"], apart["type"]) == (3, "x")
    assert marked(f"{apart['assignee_id']} & {apart['able'][0]}") == (
        "<bdi>&lt;b&gt;</bdi> &amp; <bdi>A</bdi>"
    )


def test_keys_are_short_and_tell_ids_apart() -> None:
    """Rows are known again by them when a page changes."""
    keys = {key(f"agent-{n}") for n in range(1000)}
    assert len(keys) == 1000
    assert max(map(len, keys)) <= 8
