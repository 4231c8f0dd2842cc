"""Options that several commands of `partidor plan` share."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import typer

from streams.failure import Failed

EXAMPLES: Final = ("dummy", "nab-victoria")
"""Networks that come with Partidor, by name."""


def _network(path: Path) -> Path:
    """A directory, or that of a network that comes with Partidor."""
    if path.is_dir():
        return path
    if str(path) in EXAMPLES:
        import streams.planning

        return Path(streams.planning.__file__).parent / "data" / path
    raise typer.BadParameter(f"there is no directory {path}; {' and '.join(EXAMPLES)} are built in")


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        callback=_network,
        help="Tables of the network; dummy and nab-victoria come with Partidor.",
    ),
]


def exact_cost(cost_per_km: float | None) -> Decimal | None:
    """The digits that were typed, not those of the floating-point number."""
    return None if cost_per_km is None else Decimal(str(cost_per_km))


def check_installed() -> None:
    """Refuse to go on without what solving and drawing take. Raises Failed."""
    from importlib.util import find_spec

    missing = [name for name in ("highspy", "numpy", "pyarrow") if find_spec(name) is None]
    if missing:
        raise Failed(
            f'plans need {" and ".join(missing)}: pip install "partidor[planning]"; '
            "`plan publish`, `follow` and `check` go without"
        )
