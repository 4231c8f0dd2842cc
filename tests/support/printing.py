"""What a Rich renderable looks like on a terminal of 80 columns, without colours."""

import io

from rich.console import Console, RenderableType


def printed(*parts: RenderableType, width: int = 80) -> list[str]:
    """The lines, without trailing spaces."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return [line.rstrip() for line in captured.get().splitlines()]
