"""The report that people send."""

import dataclasses
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from streams.failure import Failed
from streams.planning import loading
from streams.planning.figures.gallery import pictures
from streams.planning.loading import NetworkData, load_network
from streams.planning.plan_files import check_belongs, read_plans
from streams.planning.report import report
from tests.support.plans import CHEAP, greedy_plan, small_plans, written_plan

DATA = Path(loading.__file__).parent / "data"
VOID = frozenset({"meta", "img"})


class _Document(HTMLParser):
    """What is in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def small() -> NetworkData:
    """Six bankers, three branches."""
    return load_network(DATA / "dummy")


@pytest.fixture(scope="module")
def page(small: NetworkData) -> str:
    """Of hand-made plans."""
    plans = small_plans(small.network)
    return report(plans, small, pictures(plans, small))


def test_nothing_in_it_leads_elsewhere(page: str) -> None:
    """No address but those within the page, no script, and a policy that says so."""
    document = _Document(page)
    assert document.all("script", "link", "iframe", "object", "form", "base") == []
    for element in document.all("a"):
        assert str(element["href"]).startswith("#")
    for element in document.all("img"):
        assert str(element["src"]).startswith("data:image/svg+xml;base64,")
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"\son\w+=", page)


def test_every_link_leads_somewhere(page: str) -> None:
    """And no id stands twice."""
    document = _Document(page)
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(each["href"])[1:] for each in document.all("a")} <= set(ids)


def test_it_can_be_read_by_machines_that_read_aloud(page: str) -> None:
    """A language, headings in order, a text for each image, heads and captions of tables."""
    document = _Document(page)
    assert document.open == []
    assert document.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in document.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(len(str(image["alt"])) > 40 for image in document.all("img"))
    assert len(document.all("table")) == len(document.all("caption"))
    assert all(each.get("scope") in ("col", "row") for each in document.all("th"))


def test_it_says_what_was_asked_and_found(page: str) -> None:
    """Status, figures, units, and why a target can't be met."""
    text = _Document(page).text
    assert "3 branches, 6 bankers, 15 loans worth 3,850 units." in text
    assert "objective, units bound, units gap, % solved in, s rate, %" in text
    assert "M1: least cost 5 % optimal 29.0947 29.0947 0.0000 0.25 - 3 100" in text
    assert "M1: least cost 35 % infeasible - - - 0.10 - - -" in text
    assert "The largest feasible target is 34.50 %" in text
    assert "all bankers together process 3,500 units" in text
    assert "M2: greatest profit, at a target of 11 %, rate 12 %" in text
    # Branch A of M2: capacity, target, assigned, its share, and the investments in it.
    assert "A 2 1,000 110 1,200 120.0 25.0" in text
    # Banker 3 in A, 1 unit away.
    assert "3 A 1 83.659 9.37 500 500 0" in text
    assert "Without a branch: 2, 4." in text
    assert "13 owner-occupied 600 B 6" in text
    assert "8 owner-occupied 100 - -" in text
    assert "0.1 times the yearly salary in thousands of dollars" in text


def test_loans_of_a_large_network_are_told_as_sums() -> None:
    """Branches and bankers one by one."""
    large = load_network(DATA / "nab-victoria")
    plan = greedy_plan(large.network, "m1", 0.1)
    text = _Document(report([plan], large, [])).text
    assert "169 branches, 350 bankers, 21,095 loans worth 19,968 million dollars." in text
    counts = re.search(
        r"owner-occupied, assigned ([\d,]+) [\d,.]+ investment, assigned 0 0"
        r" owner-occupied, left over ([\d,]+) [\d,.]+ investment, left over 10,385 ",
        text,
    )
    assert counts is not None
    assert sum(int(each.replace(",", "")) for each in counts.groups()) == 21_095 - 10_385
    assert "330 Collins St, Melbourne, VIC, 3000" in text
    assert "distance, degrees" in text


HOSTILE = '<script>alert("1")</script>'


def test_what_comes_from_data_is_text_and_never_markup(small: NetworkData) -> None:
    """Ids, names, notes and limits; in pictures too."""
    network = dataclasses.replace(
        small.network,
        banker_ids=(HOSTILE, *small.network.banker_ids[1:]),
        branch_ids=("A", "$\\bad{$", "C & <img src=x onerror=y>"),
    )
    data = dataclasses.replace(small, network=network, branch_names=(HOSTILE, "'\"", "&amp;"))
    works = {HOSTILE: ("$\\bad{$", ("1", "2", "6")), "3": ("A", ("3",))}
    plans = [
        written_plan(network, "m1", target, works).model_copy(update={"notes": [HOSTILE]})
        for target in (0.01, 0.02)
    ]
    page = report(plans, data, pictures(plans, data))
    document = _Document(page)
    assert document.all("script") == []
    assert all("onerror" not in image for image in document.all("img"))
    assert HOSTILE in document.text
    assert "&amp;amp;" in page


def test_the_same_plans_give_the_same_bytes(small: NetworkData, page: str) -> None:
    """So that two reports can be compared."""
    plans = small_plans(small.network)
    assert report(plans, small, pictures(plans, small)) == page


def test_plans_are_read_one_a_file_or_several(small: NetworkData, tmp_path: Path) -> None:
    """By model and target."""
    plans = small_plans(small.network)
    (tmp_path / "one.json").write_text(plans[3].model_dump_json())
    several = ",".join(plan.model_dump_json() for plan in plans[:2])
    (tmp_path / "two.json").write_text(f"[{several}]")
    read = read_plans([tmp_path / "one.json", tmp_path / "two.json"])
    assert read == [plans[0], plans[1], plans[3]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no plan: "),
        ("{}", "is no plan: "),
        ("[1]", "is no plan: "),
        (
            '{"model": "m1", "status": "fine", "target": 1, "seconds": 1, "money": "units"}',
            "status",
        ),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str, says: str) -> None:
    """With the file, and what is missing or wrong."""
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(Failed, match=f"plan.json is no plan.*{re.escape(says)}|{says}") as failure:
        read_plans([path])
    assert "\n" not in str(failure.value)


def test_a_plan_of_another_network_is_refused(small: NetworkData) -> None:
    """Its bankers, branches and loans have to be there, at the same cost."""
    plan = written_plan(small.network, "m1", 0.05, CHEAP)
    check_belongs(plan, small)
    first = plan.bankers[0]
    for change, says in (
        ({"banker_id": "9"}, "M1 at 5 % names banker '9', not in the data"),
        ({"branch_id": "Z"}, "names branch 'Z'"),
        ({"cost": first.cost + 1}, "give the --cost-per-km that it was solved with"),
    ):
        other = plan.model_copy(update={"bankers": [first.model_copy(update=change)]})
        with pytest.raises(Failed, match=re.escape(says)):
            check_belongs(other, small)
    with pytest.raises(Failed, match="is in dollars, the data in units"):
        check_belongs(plan.model_copy(update={"money": "dollars"}), small)
    loan = plan.loans[0].model_copy(update={"loan_id": "99"})
    with pytest.raises(Failed, match="names loan '99'"):
        check_belongs(plan.model_copy(update={"loans": [loan]}), small)
