"""What happened in a run, in lines that fit a screen."""

from collections import deque

from .clockwork import Clockwork

LINES_MOST = 4_000


class Trace:
    """The newest lines; a logger for the parts under test as well."""

    def __init__(
        self, clockwork: Clockwork, who: str = "", lines: "deque[str] | None" = None
    ) -> None:
        self._clockwork = clockwork
        self._who = who
        self.lines: deque[str] = deque(maxlen=LINES_MOST) if lines is None else lines

    def of(self, who: str) -> "Trace":
        """The same trace, as somebody else's voice."""
        return Trace(self._clockwork, who, self.lines)

    def say(self, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{self._clockwork.now_ms:10.1f} {self._who:<10} {text}")

    def _log(self, event: str, **fields: object) -> None:
        said = " ".join(f"{name}={value}" for name, value in fields.items())
        self.say(f"{event} {said}")

    info = warning = error = _log

    def last(self, lines: int) -> str:
        """The end of it."""
        return "\n".join(list(self.lines)[-lines:])
