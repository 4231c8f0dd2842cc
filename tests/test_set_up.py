"""The set-up says clearly what is missing, and a run of the tests what it left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "dirname", "cat", "printf", "sed", "grep", "mktemp", "rm", "find", "env")


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A copy of the scripts, beside a directory `bin` with a shell's tools and no Python."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        program = shutil.which(tool)
        assert program is not None, tool
        (tmp_path / "bin" / tool).symlink_to(program)
    for script in ("deploy/demo", "deploy/setup.sh", "tests/run"):
        (tmp_path / script).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / script, tmp_path / script)
    return tmp_path


def add_python(machine: Path, name: str, version: str, *, has_venv: bool = True) -> Path:
    """A stand-in for a Python: it answers what the set-up asks of an interpreter, and no more."""
    program = machine / "bin" / name
    new_enough = tuple(map(int, version.split("."))) >= (3, 11)
    program.write_text(
        f"""#!/bin/sh
case "$*" in
*"%d.%d"*) echo {version} ;;
*version_info*) exit {0 if new_enough else 1} ;;
*"import venv"*) exit {0 if has_venv else 1} ;;
*-V*) echo "Python {version}" ;;
*"-m venv"*) echo "asked $0 for an environment" >&2; exit 1 ;;
*) exit 1 ;;
esac
"""
    )
    program.chmod(0o755)
    return program


def run(machine: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts with nothing but the machine's `bin` on the path."""
    return subprocess.run(
        [machine / script],
        env={"PATH": str(machine / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("script", ["deploy/demo", "tests/run"])
def test_without_python_both_commands_say_which_one_they_need(
    bare_machine: Path, script: str
) -> None:
    """The version, what was found, and how to name another one."""
    result = run(bare_machine, script)
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed; found: none" in result.stderr
    add_python(bare_machine, "python3", "3.9")
    result = run(bare_machine, script)
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed; found: python3 (3.9)" in result.stderr
    assert "PYTHON=" in result.stderr


def test_a_newer_python_beside_an_old_one_is_found(bare_machine: Path) -> None:
    """The default may be old: the versions that will do are looked for by name."""
    add_python(bare_machine, "python3", "3.9")
    newer = add_python(bare_machine, "python3.12", "3.12")
    assert f"asked {newer} for an environment" in run(bare_machine, "deploy/demo").stderr


def test_the_python_that_is_named_is_taken(bare_machine: Path) -> None:
    """And no other, even if it won't do."""
    add_python(bare_machine, "python3", "3.12")
    named = add_python(bare_machine, "mine", "3.13")
    result = run(bare_machine, "deploy/demo", PYTHON=str(named))
    assert f"asked {named} for an environment" in result.stderr
    old = add_python(bare_machine, "old", "3.8")
    assert "3.8" in run(bare_machine, "deploy/demo", PYTHON=str(old)).stderr


def test_without_the_venv_module_the_package_to_install_is_named(bare_machine: Path) -> None:
    """Debian and Ubuntu ship Python without it."""
    add_python(bare_machine, "python3", "3.11", has_venv=False)
    result = run(bare_machine, "deploy/demo")
    assert result.returncode == 1
    assert "python3 has no venv module" in result.stderr
    assert "python3-venv" in result.stderr


def test_a_lock_of_a_set_up_that_was_killed_is_no_obstacle(bare_machine: Path) -> None:
    """The process that it names is gone; a lock that stayed would need a person."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    (bare_machine / ".venv.lock").write_text(f"{gone.pid}\n")
    assert "Python 3.11 or newer is needed" in run(bare_machine, "deploy/demo").stderr
    assert not (bare_machine / ".venv.lock").exists()


TESTS = '''
def test_needs_much(left_out):
    """A sentence."""
    left_out("no moon", "wait for the night")

def test_works():
    """A sentence."""
'''


@pytest.mark.parametrize("require", ["", "all"])
def test_what_is_left_out_is_named_with_its_remedy_or_fails(tmp_path: Path, require: str) -> None:
    """On a bare machine a run says what it left out; where all is required it fails."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tmp_path / "tests")
    shutil.copytree(ROOT / "tests/support", tmp_path / "tests/support")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests/test_example.py").write_text(TESTS)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--kinds", "unit"],
        cwd=tmp_path,
        env=os.environ | {"PARTIDOR_TEST_REQUIRE": require},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "no moon; wait for the night" in result.stdout
    closing_line = result.stdout.splitlines()[-1]
    if require:
        assert "1 failed, 1 passed" in closing_line
        assert result.returncode == 1
    else:
        assert "left out on this machine" in result.stdout
        assert "1 passed, 1 skipped" in closing_line
        assert result.returncode == 0
