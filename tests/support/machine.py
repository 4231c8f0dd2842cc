"""What a machine may not have that a fault needs."""

from typing import Final

PROCESSES_ONLY: Final = "it runs on processes: tests/run without the word containers"
"""The remedy of what is left out in containers: nothing is missing on the machine."""


class LeftOut(Exception):
    """This machine can't do that.

    Attributes:
        reason: What is missing.
        remedy: How to get it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
