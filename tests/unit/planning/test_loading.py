"""Branch networks from directories of tables."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.failure import Failed, WrongUsage
from streams.planning import loading, tables
from streams.planning.loading import load_network

DATA = Path(loading.__file__).parent / "data"

BANKERS = "banker_id,salary_thousands,capacity\n1,80,750\n2,90.5,250\n"
BRANCHES = "branch_id,capacity\nA,1000\nB,5000\n"
DISTANCES = "banker_id,A,B\n1,5,8\n2,6,9\n"
LOANS = "loan_id,loan_amount,loan_type\nL1,300,1\nL2,200,0\n"
IN_DOLLARS = {
    "bankers.csv": "banker_id,latitude,longitude,capacity_millions,salary_thousands\n"
    "1,-37.8,144.9,750,80\n",
    "branches.csv": "branch_id,location,longitude,latitude,capacity\n"
    "A,Carlton,144.9,-37.7,9000000\nB,,145.0,-37.8,8000000\n",
    "loans.csv": LOANS,
}
IN_UNITS = {
    "bankers.csv": BANKERS,
    "branches.csv": BRANCHES,
    "distances.csv": DISTANCES,
    "loans.csv": LOANS,
}

Written = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A directory with these files."""

    def write(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


def test_the_small_network_is_what_the_document_prints() -> None:
    """6 bankers, 3 branches, 15 loans; cost = distance + 0.1 x salary in thousands."""
    data = load_network(DATA / "dummy")
    network = data.network
    assert network.banker_ids == ("1", "2", "3", "4", "5", "6")
    assert network.branch_ids == data.branch_names == ("A", "B", "C")
    assert network.banker_capacity.tolist() == [750, 250, 500, 250, 750, 1000]
    assert (network.owner_total, network.investment_total) == (3000, 850)
    assert network.cost[2].tolist() == pytest.approx([9.3659089, 10.3659089, 12.3659089])
    assert (network.money, data.distance_unit) == ("units", "units")
    assert data.banker_places is data.branch_places is data.demand_share is None


def test_the_large_network_is_in_dollars_and_degrees() -> None:
    """350 bankers, 169 branches, 21,095 loans; cost = degrees + 0.1 x salary in dollars."""
    data = load_network(DATA / "nab-victoria")
    network = data.network
    assert network.cost.shape == (350, 169)
    assert len(network.loan_ids) == 21_095
    assert network.money == "dollars"
    assert network.banker_capacity.sum() == 218_500e6
    assert network.loan_amount.sum() == 19_967_929_602
    apart = np.hypot(-37.69552834722884 + 38.018206, 143.9512180160037 - 145.304441)
    assert network.travel[0, 0] == pytest.approx(apart)
    assert network.banker_pay[0] == pytest.approx(8928.045125979808)
    assert data.branch_names[1] == "330 Collins St, Melbourne, VIC, 3000"


def test_in_km_a_way_costs_so_much_a_km(written: Written) -> None:
    """A tenth of a degree of latitude is 11.12 km everywhere."""
    data = load_network(written({**IN_DOLLARS}), distance="km", travel_cost_per_km=2.5)
    assert data.distance_unit == "km"
    assert data.distance[0, 0] == pytest.approx(11.1195, abs=1e-4)
    assert data.network.travel[0, 0] == pytest.approx(2.5 * 11.1195, abs=1e-3)
    assert data.network.banker_pay[0] == 8000


def test_a_branch_without_a_location_is_called_by_its_id(written: Written) -> None:
    """And further columns are left aside."""
    assert load_network(written({**IN_DOLLARS})).branch_names == ("Carlton", "B")


def test_distances_may_stand_in_any_order(written: Written) -> None:
    """Rows and columns are found by their ids."""
    files = {**IN_UNITS, "distances.csv": "B,banker_id,A\n9,2,6\n8,1,5\n"}
    assert load_network(written(files)).distance.tolist() == [[5, 8], [6, 9]]


def test_ids_are_kept_as_they_stand(written: Written) -> None:
    """Zeros in front and capital letters too; branches a and A are two."""
    files = {
        **IN_UNITS,
        "bankers.csv": BANKERS.replace("\n1,", "\n007,"),
        "branches.csv": BRANCHES.replace("B,", "a,"),
        "distances.csv": "banker_id,A,a\n007,5,8\n2,6,9\n",
    }
    network = load_network(written(files)).network
    assert (network.banker_ids, network.branch_ids) == (("007", "2"), ("A", "a"))


@pytest.mark.parametrize(
    "dressed",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n") + "\n\n",
        lambda text: text.replace("loan_amount", " Loan_Amount "),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("300", '"300"').replace("200", " 2e2 "),
    ],
    ids=["byte order mark", "CRLF", "blank rows", "capitals", "no last line end", "quotes"],
)
def test_what_spreadsheets_make_of_a_file_makes_no_difference(
    written: Written, dressed: Callable[[str], str]
) -> None:
    """The same network."""
    network = load_network(written({**IN_UNITS, "loans.csv": dressed(LOANS)})).network
    assert network.loan_ids == ("L1", "L2")
    assert network.loan_amount.tolist() == [300, 200]
    assert network.loan_is_investment.tolist() == [True, False]


def _cells(text: str) -> list[list[Any]]:
    """Numbers as numbers, as a spreadsheet holds them."""
    rows: list[list[Any]] = [line.split(",") for line in text.splitlines()]
    return [rows[0], *([_typed(cell) for cell in row] for row in rows[1:])]


def _typed(cell: str) -> Any:
    return float(cell) if re.fullmatch(r"[0-9.]+", cell) else cell


def _save_excel(path: Path, rows: list[list[Any]]) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)


def _save_parquet(path: Path, rows: list[list[Any]]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = zip(*rows[1:], strict=True)
    write_table(pa.table(dict(zip(rows[0], map(list, columns), strict=True))), path)


@pytest.mark.parametrize(("ending", "save"), [(".xlsx", _save_excel), (".parquet", _save_parquet)])
def test_excel_and_parquet_say_the_same_as_csv(
    tmp_path: Path, ending: str, save: Callable[[Path, list[list[Any]]], None]
) -> None:
    """Their whole numbers are ids without a point."""
    csv_directory, other = tmp_path / "csv", tmp_path / "other"
    csv_directory.mkdir()
    other.mkdir()
    for name, content in IN_UNITS.items():
        (csv_directory / name).write_text(content)
        save((other / name).with_suffix(ending), _cells(content))
    one, two = load_network(csv_directory).network, load_network(other).network
    assert (one.banker_ids, one.branch_ids) == (two.banker_ids, two.branch_ids)
    assert one.loan_ids == two.loan_ids
    for field in ("cost", "banker_capacity", "branch_capacity", "loan_amount"):
        assert getattr(one, field).tolist() == getattr(two, field).tolist()
    assert one.loan_is_investment.tolist() == two.loan_is_investment.tolist()


def test_in_excel_a_row_has_the_number_that_excel_shows(tmp_path: Path) -> None:
    """Also below an empty row."""
    for name in ("bankers", "branches", "distances"):
        (tmp_path / f"{name}.csv").write_text(IN_UNITS[f"{name}.csv"])
    rows = [["loan_id", "loan_amount", "loan_type"], ["L1", 3, 1], [], ["L2", True, 0]]
    _save_excel(tmp_path / "loans.xlsx", rows)
    with pytest.raises(Failed, match=r"loans.xlsx row 4, column loan_amount: True is not a number"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "loans.csv",
            "300",
            "x",
            "loans.csv row 2, column loan_amount: 'x' is not a number; write it like 1234.5",
        ),
        (
            "loans.csv",
            "300",
            '"1,300"',
            "loans.csv row 2, column loan_amount: '1,300' is not a number",
        ),
        ("loans.csv", "300", "1_300", "'1_300' is not a number"),
        ("loans.csv", "300", "nan", "'nan' is not a number"),
        ("loans.csv", "300", "1e999", "'1e999' is not a finite number up to 1e+15"),
        ("loans.csv", "300", "", "row 2, column loan_amount: is empty; give a number"),
        ("loans.csv", "300", "0", "row 2, column loan_amount: '0' is not above 0"),
        ("loans.csv", "200", "-5", "row 3, column loan_amount: '-5' is not above 0"),
        ("loans.csv", "300,1", "300,2", "row 2, column loan_type: '2' is neither 0 nor 1"),
        (
            "loans.csv",
            "L2",
            "L1",
            "row 3, column loan_id: 'L1' stands in row 2 already; every id once",
        ),
        ("loans.csv", "L2", "", "row 3, column loan_id: is empty; give an id"),
        ("loans.csv", "L2", " L2", "row 3, column loan_id: ' L2' has blanks around it"),
        ("loans.csv", "L2", "L" * 201, "is longer than 200 characters; shorten it"),
        ("loans.csv", "300,1", "300,1,7", "loans.csv row 2: 4 cells under 3 columns; quote cells"),
        ("loans.csv", "300,1", "300", "loans.csv row 2: 2 cells under 3 columns"),
        (
            "loans.csv",
            "loan_type",
            "kind",
            "loans.csv has no column loan_type; its first row names loan_id, loan_amount, kind",
        ),
        (
            "loans.csv",
            "loan_type",
            "loan_id",
            "loans.csv: two columns are called 'loan_id'; keep one",
        ),
        ("loans.csv", "\nL1,300,1\nL2,200,0\n", "\n", "loans.csv has a header and no rows"),
        ("loans.csv", LOANS, "", "loans.csv is empty; its first row names the columns"),
        (
            "loans.csv",
            LOANS,
            LOANS.replace(",", ";"),
            "loans.csv is separated by semicolons; save it separated by commas, with points in",
        ),
        ("loans.csv", LOANS, LOANS.replace(",", "\t"), "loans.csv is separated by tabs"),
        ("loans.csv", "L2", '"L2', "loans.csv row 3: unexpected end of data"),
        ("bankers.csv", "750", "0", "bankers.csv row 2, column capacity: '0' is not above 0"),
        (
            "bankers.csv",
            "80",
            "-1",
            "bankers.csv row 2, column salary_thousands: '-1' is not between 0 and 1e+06",
        ),
        (
            "bankers.csv",
            "salary_thousands",
            "capacity_millions",
            "bankers.csv has capacity and capacity_millions; keep one of them",
        ),
        (
            "branches.csv",
            "1000",
            "inf",
            "branches.csv row 2, column capacity: 'inf' is not a number",
        ),
        (
            "distances.csv",
            "banker_id,A,B",
            "banker_id,A,C",
            "distances.csv: column 'C' is no branch; remove it or add the branch",
        ),
        ("distances.csv", "banker_id,A,B", "banker_id,A,C", "distances.csv has no column B"),
        ("distances.csv", "2,6,9\n", "", "distances.csv has no row for banker '2'; add it"),
        (
            "distances.csv",
            "2,6,9\n",
            "2,6,9\n3,1,1\n",
            "distances.csv names banker '3', whom no other table has",
        ),
        (
            "distances.csv",
            "2,6,9",
            "2,6,",
            "distances.csv row 3, column B: is empty; give a number",
        ),
        (
            "distances.csv",
            "2,6,9",
            "2,6,-9",
            "distances.csv row 3, column B: '-9' is not between 0",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_row_and_column(
    written: Written, name: str, old: str, new: str, says: str
) -> None:
    """And what to do about it, in a line."""
    assert old in IN_UNITS[name]
    directory = written({**IN_UNITS, name: IN_UNITS[name].replace(old, new, 1)})
    with pytest.raises(Failed, match=re.escape(says)):
        load_network(directory)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (
            "bankers.csv",
            "-37.8",
            "-137.8",
            "bankers.csv row 2, column latitude: '-137.8' is not between -90 and 90",
        ),
        (
            "branches.csv",
            "145.0",
            "181",
            "branches.csv row 3, column longitude: '181' is not between -180 and 180",
        ),
        ("bankers.csv", "latitude", "lat", "bankers.csv has no column latitude"),
        (
            "branches.csv",
            "longitude,latitude",
            "x,y",
            "has no distances.csv, and branches no columns latitude and longitude",
        ),
    ],
)
def test_places_are_checked_too(written: Written, name: str, old: str, new: str, says: str) -> None:
    """Where there is no table of distances they are needed."""
    directory = written({**IN_DOLLARS, name: IN_DOLLARS[name].replace(old, new, 1)})
    with pytest.raises(Failed, match=re.escape(says)):
        load_network(directory)


@pytest.mark.parametrize("name", ["bankers", "branches", "loans"])
def test_a_table_that_is_missing_is_named(written: Written, name: str) -> None:
    """With all the endings that it may have."""
    directory = written({**IN_UNITS})
    (directory / f"{name}.csv").unlink()
    with pytest.raises(Failed, match=rf"no {name}.csv, {name}.xlsx or {name}.parquet; add one"):
        load_network(directory)


def test_ten_problems_are_listed_and_the_others_counted(written: Written) -> None:
    """Of all tables together."""
    rows = "".join(f"L{number},x,0\n" for number in range(20))
    directory = written({
        **IN_UNITS,
        "bankers.csv": BANKERS.replace("750", "-1"),
        "loans.csv": "loan_id,loan_amount,loan_type\n" + rows,
    })  # fmt: skip
    with pytest.raises(Failed) as failure:
        load_network(directory)
    lines = str(failure.value).splitlines()
    assert lines[0] == "21 problems in the data:"
    assert lines[1] == "  bankers.csv row 2, column capacity: '-1' is not above 0"
    assert len(lines) == 1 + tables.SHOWN_MAX + 1
    assert lines[-1] == "  and 11 more"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"loans.csv": LOANS.encode("utf-16")}, "loans.csv is not UTF-8; save it as CSV UTF-8"),
        ({"loans.csv": b"loan_id\n\xff\n"}, "loans.csv is not UTF-8; save it as CSV UTF-8"),
        ({"bankers.xlsx": b"PK"}, "has bankers.csv and bankers.xlsx; keep one of them"),
        ({"periods.xlsx": b"PK"}, "periods.xlsx is no Excel workbook (.xlsx)"),
        ({"periods.parquet": b"PAR1"}, "periods.parquet is no Parquet file"),
    ],
)
def test_files_that_are_something_else(
    written: Written, files: dict[str, str | bytes], says: str
) -> None:
    """A line for each, and no insides of the library that reads them."""
    with pytest.raises(Failed, match=re.escape(says)):
        load_network(written({**IN_UNITS, **files}))


def test_no_more_rows_are_read_than_can_be_planned(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is said."""
    monkeypatch.setattr(loading, "LOANS_MAX", 1)
    with pytest.raises(Failed, match=r"loans.csv has more than 1 rows; no more are read"):
        load_network(written({**IN_UNITS}))


def test_distances_of_a_table_are_not_replaced_by_km(written: Written) -> None:
    """What is asked for twice is asked back."""
    with pytest.raises(WrongUsage, match=r"distances.csv says the distances; leave it or"):
        load_network(written({**IN_UNITS}), distance="km")


def test_a_directory_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """Like any path."""
    with pytest.raises(WrongUsage, match="there is no directory"):
        load_network(tmp_path / "nowhere")


PERIODS = "period,branch_id,demand_share\nQ1,A,.25\nQ2,A,.75\nQ2,B,0.5\nQ1,B,0.5\n"


def test_demand_by_period_is_an_array(written: Written) -> None:
    """Periods in the order in which they come, branches in theirs."""
    data = load_network(written({**IN_UNITS, "periods.csv": PERIODS}))
    assert data.period_names == ("Q1", "Q2")
    assert data.demand_share is not None
    assert data.demand_share.tolist() == [[0.25, 0.5], [0.75, 0.5]]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (".25", ".3", "periods.csv: the shares of branch 'A' sum to 1.05; they have to sum to 1"),
        (".25", "-1", "periods.csv row 2, column demand_share: '-1' is not between 0 and 1"),
        ("Q1,B,0.5\n", "", "periods.csv lacks period 'Q1' of branch 'B'; add it"),
        ("Q1,B", "Q2,B", "periods.csv has period 'Q2' of branch 'B' twice; keep one"),
        ("Q1,B", "Q1,C", "periods.csv names branch 'C', whom no other table has"),
    ],
)
def test_periods_are_complete(written: Written, old: str, new: str, says: str) -> None:
    """Each branch in each period once, and all of a year."""
    directory = written({**IN_UNITS, "periods.csv": PERIODS.replace(old, new, 1)})
    with pytest.raises(Failed, match=re.escape(says)):
        load_network(directory)
