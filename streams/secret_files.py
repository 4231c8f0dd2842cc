"""Secrets that stand in files, as Docker and Kubernetes hand them over.

In: the settings as they were given, of which `NAME_file` may name a file where `NAME` is a secret.
Out: the same with what the files hold. Read when a process starts: a new secret needs a restart.

- A newline at the end is the editor's, and is dropped; everything else belongs to the secret.
- A file that can't be read, or holds nothing, is an error, as are a secret and its file both:
  nobody could say which one was meant.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

BYTES_MAX: Final = 1024 * 1024
"""A file that is larger is another one than was meant."""

KAFKA_SECRETS: Final = (
    "sasl.username",
    "sasl.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
)
"""Properties of librdkafka that may stand in a file; a user's name often lies beside its secret."""

_SECRET_WORD: Final = re.compile(
    r"password|secret|token|\bkey\b(?!\.location)|sasl\.oauthbearer\.config|jaas"
)
MASK: Final = "********"


def with_files(
    given: Mapping[str, Any], secrets: Iterable[str], *, prefix: str, separator: str = "_"
) -> dict[str, Any]:
    """`given`, each of the secrets that has a file read from it. Raises ValueError.

    `prefix` is what the variables of these settings begin with; `separator` stands between the
    words of a name.
    """
    found = dict(given)
    for name in secrets:
        file = found.pop(f"{name}{separator}file", None)
        if file is None or file == "":
            continue
        variable = prefix + name.upper().replace(".", "_")
        if found.get(name) is not None:
            raise ValueError(f"{variable}: give it or {variable}_FILE, not both")
        found[name] = read_secret(Path(str(file)), f"{variable}_FILE")
    return found


def read_secret(path: Path, name: str) -> str:
    """What the file holds, without the newline at its end. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
        text = content.decode()
    except OSError as error:
        raise ValueError(f"{name}: can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}: {path} is not UTF-8 text") from None
    if len(content) > BYTES_MAX:
        raise ValueError(f"{name}: {path} has more than {BYTES_MAX} bytes")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{name}: {path} is empty")
    return text


def is_secret(kafka_property: str) -> bool:
    """Whether the value of a property may not be shown."""
    return _SECRET_WORD.search(kafka_property) is not None


_USER_INFO: Final = re.compile(r"(?<=://)(?P<user>[^:@/?#]*):.*@", re.DOTALL)
_PASSWORD_PARAMETER: Final = re.compile(r"(?<=[?&])(?P<name>[a-z_]*password)=[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """An address as it may be shown, whatever stands in it and however wrong it is."""
    found = _USER_INFO.search(url)
    if found is None:
        return _without_parameters(url)
    head = f"{url[: found.start()]}{found['user']}:{MASK}"
    # A password with that in it, or an "@" in a parameter's: what follows may belong to either.
    if _PASSWORD_PARAMETER.search(found[0]):
        return head
    return f"{head}@{_without_parameters(url[found.end() :])}"


def _without_parameters(text: str) -> str:
    return _PASSWORD_PARAMETER.sub(rf"\g<name>={MASK}", text)
