"""Results that are remembered for as long as that pays.

A channel whose weights have few digits comes back to the same errors, and what was worked out then
needs not be worked out again. In a thousand channels together there are more of them than can be
kept: then each result is kept in vain, and to look for it, to keep it and to drop another costs a
fifth of the work on a small batch. So what finds too little stops looking for a while.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

PAYS_FROM: Final = 0.25
"""The least share of calls whose result is found."""

RESTS_FOR: Final = 16
"""How many times as many calls as results that can be kept go by before it is tried again."""


class Remembering(Generic[P, R]):
    """A function, and its last results.

    Attributes:
        call: the function, called with arguments that can be hashed. Ask for it with each call: it
            is another one while nothing is remembered.
        results_max: how many results are kept.
    """

    __slots__ = ("_function", "_hits", "_kept_as", "_left", "_remembered", "call", "results_max")

    def __init__(
        self,
        function: Callable[P, R],
        results_max: int,
        kept_as: Callable[P, R] | None = None,
    ) -> None:
        """`kept_as` gives the same in the form in which it is kept: one that is used at less cost,
        though it costs more to make.
        """
        self._function = function
        self._kept_as = kept_as or function
        self.results_max = results_max
        self._remembered = lru_cache(maxsize=results_max)(self._missed)
        self._look_again()

    def _look_again(self) -> None:
        # As many more as can be kept: those come first that nobody could know yet.
        self._left = 2 * self.results_max
        self._hits = self._remembered.cache_info().hits
        self.call: Callable[P, R] = self._remembered

    def _missed(self, *args: P.args, **kwargs: P.kwargs) -> R:
        self._left -= 1
        if not self._left:
            found = self._remembered.cache_info().hits - self._hits
            if found < PAYS_FROM * (found + 2 * self.results_max):
                self._left = RESTS_FOR * self.results_max
                self.call = self._not_remembered
                self._remembered.cache_clear()
            else:
                self._look_again()
        return self._kept_as(*args, **kwargs)

    def _not_remembered(self, *args: P.args, **kwargs: P.kwargs) -> R:
        self._left -= 1
        if not self._left:
            self._look_again()
        return self._function(*args, **kwargs)
