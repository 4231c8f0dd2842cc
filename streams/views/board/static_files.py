"""Script, styles and icon: read once, served from memory, named by what is in them.

In: the files of `static/`. Out: bytes, with an address that changes whenever they do, so that
browsers may keep them for ever.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_HASH_LENGTH: Final = 16


class StaticFile(NamedTuple):
    """One file. `version` is a hash of its bytes."""

    body: bytes
    content_type: str
    version: str


class StaticFiles:
    """All of them, by name."""

    def __init__(self) -> None:
        """Read from the package, wherever it is installed."""
        self._files = {
            each.name: _read(each.name, each.read_bytes())
            for each in files(__package__).joinpath("static").iterdir()
            if each.name[each.name.rfind(".") :] in _TYPES
        }
        joined = "".join(self._files[name].version for name in sorted(self._files))
        self.version = _hash(joined.encode())
        """Of all together: a page that was made with another one is to be loaded again."""

    def get(self, name: str) -> StaticFile | None:
        """A file by its name, exactly; nothing else can be reached by it."""
        return self._files.get(name)

    def address(self, name: str) -> str:
        """Where a page finds a file."""
        return f"/static/{name}?v={self._files[name].version}"


def _read(name: str, body: bytes) -> StaticFile:
    return StaticFile(body, _TYPES[name[name.rfind(".") :]], _hash(body))


def _hash(body: bytes) -> str:
    return sha256(body).hexdigest()[:_HASH_LENGTH]
