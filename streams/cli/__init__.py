"""The command `partidor`: one file per command or small group of them.

In: arguments, environment, files. Out: data on stdout, everything else on stderr, and an exit
code: 0 done, 1 failed, 2 wrong usage. What a command does stands in modules of `streams` that
know nothing of terminals; they are imported when the command is called, so that help is quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final, cast

import typer

from streams.cli.app import app
from streams.failure import Failed

INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""

_UsageError: Final = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""Of the parser inside Typer, which names it nowhere public."""


_LOST_INTERRUPT: Final = "returned NULL without setting an exception"
"""What is left of a Ctrl-C that struck inside a callback of librdkafka's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code; errors are one line on stderr."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough. Nothing more may be written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Failed as failure:
        return _complain(str(failure), failure.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _complain(f"{name}{error.strerror or error}", 1)
    except Exception as error:
        if isinstance(error, SystemError) and _LOST_INTERRUPT in str(error):
            return INTERRUPTED
        # People get one line, not our insides.
        if os.environ.get("PARTIDOR_LOG_LEVEL") == "debug":
            raise
        hint = "(PARTIDOR_LOG_LEVEL=debug shows where)"
        return _complain(f"unexpected {type(error).__name__}: {error} {hint}", 1)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = app(
            args=None if arguments is None else list(arguments),
            prog_name="partidor",
            standalone_mode=False,
        )
    except typer.Abort:
        return INTERRUPTED
    except _UsageError as error:
        return _wrong_usage(error)
    return result if isinstance(result, int) else 0


def _wrong_usage(error: BaseException) -> int:
    """A wrong option or argument, and where the right ones are told."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        # Nothing was wrong but that nothing was asked: the help is the answer.
        text = str(error)
        if text:
            sys.stderr.write(text + "\n")
        return 2
    path = getattr(context, "command_path", "partidor")
    message = str(getattr(error, "format_message", error.__str__)())
    return _complain(f"{message.rstrip('.')}; see {path} --help", 2)


def _complain(text: str, exit_code: int) -> int:
    sys.stderr.write(f"partidor: {text}\n")
    return exit_code
