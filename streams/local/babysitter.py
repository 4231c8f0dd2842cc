"""Runs one server and ends it when its starter ends, however that ended (SIGKILL included).

A program of its own, run by file name with nothing but the standard library:

    python babysitter.py --directory D --log FILE --grace-seconds N [--remove DIRECTORY]
        [--control FIFO] -- COMMAND...

How it works. The starter holds the only write end of the pipe that is this program's standard
input; when the starter is gone, by whatever end, the kernel closes it. Rules:

1. Each byte that is read is the number of a signal, which the server gets. (The babysitter is the
   server's parent: the process id is the server's for as long as it is not reaped here, so no
   stranger is ever hit.)
2. End of file: the starter is gone. The server gets SIGTERM, after the grace SIGKILL; then
   DIRECTORY is removed.
   Nothing that is to be removed is there before this program: it makes D itself, where the server
   works and FILE takes its output.
3. The server ended by itself or by a signal: exit with its status, and DIRECTORY stays.
4. With --control, standard input is a FIFO that this program keeps open itself: there is no end of
   file, the server outlives its starter, and whoever knows the FIFO's name can send signals. It is
   removed at the end.

The first line on standard output is the server's process id. It has a session of its own, so that
Ctrl-C in the terminal reaches the starter alone, which then decides.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path


def main() -> int:
    """Run the command line above; the exit status is the server's, 128 + n for signal n."""
    options = _parse()
    _enter(options.directory, options.log)
    # The babysitter ends when the server has ended, not before: what would end it is the server's
    # to hear.
    server = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=2)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: server.send_signal(received))
    # The starter may be gone already: nobody reads the line, and standard input is at its end.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{server.pid}\n".encode())
    os.dup2(2, 1)  # nothing more is written

    starter_is_gone = threading.Event()
    threading.Thread(
        target=_listen, args=(server, options.grace_seconds, starter_is_gone), daemon=True
    ).start()
    status = server.wait()
    if options.control:
        Path(options.control).unlink(missing_ok=True)
    if options.remove and starter_is_gone.is_set():
        shutil.rmtree(options.remove, ignore_errors=True)
    return status if status >= 0 else 128 - status


def _enter(directory: str, log: str) -> None:
    """Make the directory, for this user alone if it is new, and write to the log from now on."""
    others = os.umask(0o077)
    Path(directory).mkdir(parents=True, exist_ok=True)
    os.umask(others)
    os.chdir(directory)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(output, 2)
    os.close(output)


def _listen(
    server: "subprocess.Popen[bytes]", grace_seconds: float, starter_is_gone: threading.Event
) -> None:
    while received := os.read(0, 1):
        server.send_signal(received[0])
    starter_is_gone.set()
    server.send_signal(signal.SIGCONT)  # a server that was paused hears nothing else
    server.terminate()
    try:
        server.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        server.kill()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--grace-seconds", type=float, required=True)
    parser.add_argument("--remove")
    parser.add_argument("--control")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


if __name__ == "__main__":
    # Not sys.exit: a thread may still be waiting for standard input.
    os._exit(main())
