"""Branch networks drawn from a seed."""

import csv
import statistics
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from streams.failure import Failed
from streams.planning import generating
from streams.planning.distances import km_apart
from streams.planning.generating import (
    PLACES,
    Recipe,
    capacity_millions,
    divided,
    generate,
    tenure_years,
)
from streams.planning.loading import load_network

SMALL = Recipe(seed=7, bankers=4, branches=3, loans=5, periods=2, season=0.3)
GOLDEN = {
    "bankers.csv": (
        "banker_id,latitude,longitude,tenure_years,capacity_millions,salary_thousands\n"
        "1,-37.809892,144.981278,0.996216,250,66.568042\n"
        "2,-38.109103,144.542053,5.959168,750,82.250971\n"
        "3,-37.882394,144.651996,5.311010,750,80.202791\n"
        "4,-38.057036,145.253077,1.026351,250,66.663269\n"
    ),
    "branches.csv": (
        "branch_id,location,longitude,latitude,capacity\n"
        '1,"183 Manifold St, Camperdown, VIC, 3260",143.145950,-38.232075,572805\n'
        '2,"600 Chapel St, South Yarra, VIC, 3141",144.995625,-37.839488,2485041\n'
        '3,"51 Victoria St, Nhill, VIC, 3418",141.648933,-36.334522,238745\n'
    ),
    "loans.csv": (
        "loan_id,loan_amount,loan_type\n"
        "1,670085,1\n"
        "2,662132,1\n"
        "3,764902,1\n"
        "4,654044,0\n"
        "5,628074,0\n"
    ),
    "periods.csv": (
        "period,branch_id,demand_share\n"
        "1,1,0.511721141\n"
        "2,1,0.488278859\n"
        "1,2,0.591182577\n"
        "2,2,0.408817423\n"
        "1,3,0.350202405\n"
        "2,3,0.649797595\n"
    ),
}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The size of the large network."""
    directory = tmp_path_factory.mktemp("full")
    generate(Recipe(seed=1, periods=4), directory)
    return directory


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Today's, on every machine and every version of Python."""
    generate(SMALL, tmp_path)
    assert {name: (tmp_path / name).read_text() for name in GOLDEN} == GOLDEN
    suburbs = (tmp_path / "suburbs.csv").read_bytes()
    assert suburbs == (generating.DATA / "suburbs.csv").read_bytes()


def test_another_seed_is_another_network(tmp_path: Path) -> None:
    """Every table of it."""
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        generate(Recipe(seed, 4, 3, 5, 2), tmp_path / str(seed))
    for name in GOLDEN:
        assert (tmp_path / "1" / name).read_bytes() != (tmp_path / "2" / name).read_bytes()


def test_more_bankers_leave_loans_and_branches_as_they_are(tmp_path: Path) -> None:
    """Every table has a stream of its own."""
    for bankers in (4, 40):
        (tmp_path / str(bankers)).mkdir()
        generate(Recipe(1, bankers, 3, 50), tmp_path / str(bankers))
    for name in ("branches.csv", "loans.csv"):
        assert (tmp_path / "4" / name).read_bytes() == (tmp_path / "40" / name).read_bytes()


def test_it_can_be_planned_for(full: Path) -> None:
    """The loader takes it, with its periods."""
    data = load_network(full)
    assert data.network.cost.shape == (350, 169)
    assert data.demand_share is not None
    assert data.demand_share.shape == (4, 169)
    assert data.demand_share.sum(axis=0) == pytest.approx(1, abs=1e-12)


def test_it_is_laid_out_as_the_large_network_that_comes_with_it(full: Path) -> None:
    """Header for header."""
    for name in ("bankers.csv", "branches.csv", "loans.csv", "suburbs.csv"):
        ours, theirs = (full / name), (generating.DATA / name)
        assert ours.open().readline() == theirs.open().readline()


def test_every_sale_is_a_loan_around_its_suburb_s_median(full: Path) -> None:
    """Within what 21,095 draws with a deviation of 100 dollars leave."""
    suburbs = _rows(full / "suburbs.csv")
    medians = [float(each["median_price"]) for each in suburbs for _ in range(int(each["sales"]))]
    loans = _rows(full / "loans.csv")
    assert len(loans) == len(medians) == 21_095
    off = [float(loan["loan_amount"]) - m for loan, m in zip(loans, medians, strict=True)]
    assert abs(statistics.mean(off)) < 4 * 100 / 21_095**0.5
    assert statistics.pstdev(off) == pytest.approx(100, rel=0.02)
    assert max(map(abs, off)) < 600
    investments = sum(each["loan_type"] == "1" for each in loans)
    assert abs(investments - 21_095 / 2) < 4 * (21_095 / 4) ** 0.5


def test_a_branch_s_capacity_follows_the_price_around_it(full: Path) -> None:
    """Between 0.95 and 1 of its share of the value of all loans, so that these are never enough."""
    value = sum(int(each["loan_amount"]) for each in _rows(full / "loans.csv"))
    branches = _rows(full / "branches.csv")
    capacities = [int(each["capacity"]) for each in branches]
    assert 0.95 * value < sum(capacities) < value
    median = {each["suburb"]: float(each["median_price"]) for each in _rows(full / "suburbs.csv")}
    known = [
        (int(each["capacity"]), median[suburb])
        for each in branches
        if (suburb := each["location"].split(", ")[-3].upper()) in median
    ]
    assert len(known) > 120
    per_dollar = [capacity / price for capacity, price in known]
    assert max(per_dollar) / min(per_dollar) <= 1 / 0.95 + 1e-6


def test_bankers_salaries_tenure_and_capacity_fit_together(full: Path) -> None:
    """Salaries even between 65 and 95 thousand."""
    bankers = _rows(full / "bankers.csv")
    salaries = [float(each["salary_thousands"]) for each in bankers]
    assert 65 <= min(salaries) < 66
    assert 94 < max(salaries) <= 95
    assert statistics.mean(salaries) == pytest.approx(80, abs=4 * 8.66 / 350**0.5)
    for each in bankers:
        tenure = float(each["tenure_years"])
        assert tenure == pytest.approx((float(each["salary_thousands"]) - 63.42) / 3.16, abs=1e-6)
        assert int(each["capacity_millions"]) == capacity_millions(tenure)


def test_bankers_live_where_the_document_s_table_has_them(full: Path) -> None:
    """43, 68, 73, 91, 30, 30 and 15 of 350, around the centres."""
    counts = divided(350, [place.people for place in PLACES])
    assert counts == [43, 68, 73, 91, 30, 30, 15]
    bankers = _rows(full / "bankers.csv")
    homes = np.array([(float(b["latitude"]), float(b["longitude"])) for b in bankers])
    start = 0
    for place, count in zip(PLACES, counts, strict=True):
        centre = np.array([(place.latitude, place.longitude)])
        apart = km_apart(homes[start : start + count], centre)
        # The root of the mean square of a distance in two dimensions.
        root_mean_square = float(np.sqrt((apart**2).mean()))
        assert root_mean_square == pytest.approx(place.spread_km * 2**0.5, rel=0.35)
        start += count


@pytest.mark.parametrize(
    ("tenure", "millions"),
    [(0.5, 250), (2.499, 250), (2.5, 500), (5, 750), (7.5, 750), (7.501, 1000), (10, 1000)],
)
def test_bands_of_capacity(tenure: float, millions: int) -> None:
    """The document has 7.5 in two of them."""
    assert capacity_millions(tenure) == millions


def test_tenure_begins_where_the_document_has_it_and_ends_just_before() -> None:
    """Its factors are rounded."""
    assert tenure_years(65) == pytest.approx(0.5)
    assert tenure_years(95) == pytest.approx(9.9937, abs=1e-4)


def test_fewer_branches_are_some_of_the_real_ones(tmp_path: Path) -> None:
    """At their places."""
    generate(Recipe(seed=3, bankers=1, branches=10, loans=1), tmp_path)
    real = {each["location"] for each in _rows(generating.DATA / "branches.csv")}
    there = [each["location"] for each in _rows(tmp_path / "branches.csv")]
    assert len(set(there)) == 10
    assert set(there) <= real


def test_more_branches_lie_near_real_ones(tmp_path: Path) -> None:
    """All the real ones are among them."""
    generate(Recipe(seed=3, bankers=1, branches=825, loans=1), tmp_path)
    branches = _rows(tmp_path / "branches.csv")
    assert len(branches) == 825
    assert sum(each["location"].startswith("near ") for each in branches) == 825 - 169
    places = np.array([(float(b["latitude"]), float(b["longitude"])) for b in branches])
    nearest = km_apart(places[169:], places[:169]).min(axis=1)
    assert np.median(nearest) < generating.NEARBY_KM
    assert len({tuple(place) for place in places}) == 825


@pytest.mark.parametrize("season", [0, 0.3, 1])
def test_seasons_stay_within_what_was_asked(tmp_path: Path, season: float) -> None:
    """A branch's share of a quarter is at most a quarter more or less by so much."""
    generate(Recipe(seed=5, bankers=1, branches=169, loans=1, periods=4, season=season), tmp_path)
    shares = [float(each["demand_share"]) for each in _rows(tmp_path / "periods.csv")]
    assert min(shares) >= 0.25 * (1 - season) - 1e-9
    assert max(shares) <= 0.25 * (1 + season) + 1e-9
    if season:
        assert max(shares) - min(shares) > 0.4 * season


def test_suburbs_of_elsewhere_can_be_given(tmp_path: Path) -> None:
    """Then any of their prices may be around a branch."""
    suburbs = tmp_path / "suburbs.csv"
    suburbs.write_text("suburb,median_price,sales\nNorth,1000000,3\nSouth,2000000,1\nWest,50,0\n")
    (tmp_path / "out").mkdir()
    drawn = generate(Recipe(seed=1, bankers=2, branches=20), tmp_path / "out", suburbs)
    assert drawn.loans == 4
    amounts = [int(each["loan_amount"]) for each in _rows(tmp_path / "out" / "loans.csv")]
    assert [round(amount, -4) for amount in amounts] == [10**6, 10**6, 10**6, 2 * 10**6]
    capacities = {int(b["capacity"]) for b in _rows(tmp_path / "out" / "branches.csv")}
    assert max(capacities) > 1.8 * min(capacities)


def test_suburbs_without_sales_are_refused(tmp_path: Path) -> None:
    """Nothing could be drawn in their proportion."""
    path = tmp_path / "suburbs.csv"
    path.write_text("suburb,median_price,sales\nNorth,1000000,0\n")
    with pytest.raises(Failed, match="no suburb has sales"):
        generate(SMALL, tmp_path, path)


def test_memory_does_not_grow_with_the_loans(tmp_path: Path) -> None:
    """Ten times as many take as much of it."""
    peaks = []
    for loans in (1_000, 10_000):
        tracemalloc.start()
        generate(Recipe(seed=1, bankers=10, branches=10, loans=loans), tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
