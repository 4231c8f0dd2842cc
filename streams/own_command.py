"""The command `partidor` of this program's environment, whatever stands on the PATH."""

import sys
from typing import Final

PARTIDOR: Final = (
    sys.executable,
    "-P",
    "-c",
    "import sys; from streams.cli import main; sys.exit(main())",
)
