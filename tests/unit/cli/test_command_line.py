"""What all commands have in common: help, exit codes, one-line errors."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from streams.cli import main
from streams.cli.app import app


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, sub in inner.items():
        yield from _commands(sub, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))


def test_all_commands_are_there() -> None:
    """The table of commands is complete."""
    names = {" ".join(path) for path in COMMANDS}
    roster = {"join", "leave", "weight", "pause", "resume", "replace", "correct"}
    assert names >= {f"roster {verb}" for verb in roster}
    assert names >= {"run", "publish", "watch", "show", "lag", "replay", "assign", "config"}
    assert names >= {"topics create", "topics check"}
    assert names >= {"dead-letters list", "dead-letters show", "dead-letters retry"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], partidor: Any) -> None:
    """`--help` says what a command does and shows how it is called."""
    result = partidor(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.out
    assert f"partidor {' '.join(path)}" in result.out.partition("Examples:")[2]
    assert result.err == ""


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is(path: tuple[str, ...]) -> None:
    """No option is without a line of help, unless its name is its whole meaning."""
    for parameter in COMMANDS[path].params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{' '.join(path)} {parameter.name}"


def test_help_needs_no_client_of_anything() -> None:
    """Help is quick because nothing heavy is imported for it."""
    code = (
        "import sys; from streams.cli import main; main(['--help']);"
        "print([m for m in ('confluent_kafka','redis','pydantic','msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["publish", "--no-such-option"], "partidor publish --help"),
        (["publish", "no-such-file.jsonl"], "there is no file no-such-file.jsonl"),
        (["publish", "/"], "is a directory"),
        (["no-such-command"], "no-such-command"),
        (["show"], "channel"),
        (["dead-letters", "show", "12"], "PARTITION:OFFSET"),
        (["dead-letters", "retry"], "one of the three"),
        (["dead-letters", "retry", "--all", "--reason", "not_json"], "one of the three"),
        (["dead-letters", "list", "--reason", "whim"], "no reason 'whim'"),
        (["watch", "--max", "0"], "--max"),
        (["roster", "limit", "web", "A", "purpose"], "should be like purpose=investment:0.5"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], told: str, partidor: Any
) -> None:
    """A wrong call is told in a line on stderr."""
    result = partidor(*arguments)
    assert result.exit_code == 2
    assert told.lower() in result.err.lower()
    assert len(result.err.splitlines()) == 1
    assert result.out == ""


def test_no_command_shows_the_commands(partidor: Any) -> None:
    """Called with nothing it says what there is, and that nothing was done."""
    result = partidor()
    assert result.exit_code == 2
    assert "dead-letters" in result.out + result.err


def test_the_version_is_told(partidor: Any) -> None:
    """`--version` names the program and its version."""
    result = partidor("--version")
    assert (result.exit_code, result.out.split()[0]) == (0, "partidor")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PARTIDOR_PARTITIONS", "many", "PARTIDOR_PARTITIONS: Input should be a valid integer"),
        ("PARTIDOR_LIMITS__MEMBERS_MAX", "0", "PARTIDOR_LIMITS__MEMBERS_MAX"),
        ("PARTIDOR_LIMITS__MEMBER_MAX", "5", "PARTIDOR_LIMITS__MEMBER_MAX"),
        ("PARTIDOR_KAFKA", "localhost:9092", "PARTIDOR_KAFKA: not JSON"),
        ("PARTIDOR_SETTINGS_FILE", "no-such.toml", "there is no file no-such.toml"),
    ],
)
def test_a_wrong_setting_is_told_by_its_variable(
    variable: str, value: str, told: str, partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever set it wrong reads which variable to mend."""
    monkeypatch.setenv(variable, value)
    result = partidor("config")
    assert result.exit_code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1


def test_a_wrong_setting_in_a_file_is_told_with_the_file(
    partidor: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """A settings file is named beside the variable; one that is no TOML too."""
    file = tmp_path / "settings.toml"
    file.write_text("partitions = -1\n")
    monkeypatch.setenv("PARTIDOR_SETTINGS_FILE", str(file))
    assert f"partitions in {file}" in partidor("config").err
    file.write_text("partitions = = 1\n")
    result = partidor("config")
    assert (result.exit_code, str(file) in result.err) == (2, True)


def test_a_kafka_that_is_not_there_is_one_line_and_exit_code_1(
    partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers at the address: no traceback, no chatter of the client."""
    monkeypatch.setenv("PARTIDOR_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("PARTIDOR_CALL_TIMEOUT_MS", "300")
    for arguments in (["topics", "check"], ["lag"], ["watch"], ["dead-letters", "list"]):
        result = partidor(*arguments)
        assert result.exit_code == 1, arguments
        assert "127.0.0.1:1" in result.err
        assert len(result.err.splitlines()) == 1


def test_a_redis_that_is_not_there_is_one_line_without_its_password(
    partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of Redis may hold a password: it is not repeated."""
    monkeypatch.setenv("PARTIDOR_REDIS_URL", "redis://:open-sesame@127.0.0.1:1/0")
    result = partidor("show", "web")
    assert result.exit_code == 1
    assert "PARTIDOR_REDIS_URL" in result.err
    assert "open-sesame" not in result.err
    assert len(result.err.splitlines()) == 1


def test_an_unknown_kafka_property_is_wrong_usage(
    partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any property passes through, but it has to be one."""
    monkeypatch.setenv("PARTIDOR_KAFKA__NO_SUCH_THING", "1")
    result = partidor("topics", "check")
    assert result.exit_code == 2
    assert "no.such.thing" in result.err


def test_what_nobody_foresaw_is_one_line_too(
    partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect ends with exit code 1 and says how to see where it is; debug shows it whole."""

    def fail() -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("streams.cli.configuration.load_settings", fail)
    result = partidor("config")
    assert result.exit_code == 1
    assert "a defect" in result.err
    assert "PARTIDOR_LOG_LEVEL=debug" in result.err
    monkeypatch.setenv("PARTIDOR_LOG_LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        main(["config"])


def test_a_reader_that_goes_away_leaves_no_trace_on_stderr(tmp_path: Any) -> None:
    """`partidor replay ... | head -1` ends quietly."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"no event\n" * 200_000)
    code = "import sys; from streams.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "replay", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"dead_letter" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 1


def test_shells_can_complete_commands() -> None:
    """What a shell asks when Tab is pressed is answered."""
    code = "import sys; from streams.cli import main; sys.exit(main())"
    question = {
        "_PARTIDOR_COMPLETE": "complete_bash",
        "COMP_WORDS": "partidor dead",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **question},
    )
    assert done.stdout.split() == ["dead-letters"]
