"""One question over HTTP, as a probe asks it: no proxy, no redirect, a bound on time and length.

In: an `http` address. Out: the status and the first line of the answer.
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

from streams.failure import Failed, WrongUsage

ANSWER_BYTES_MAX: Final = 4_096


def ask(url: str, timeout_s: float) -> tuple[int, str]:
    """Raises Failed if nobody answers in time, WrongUsage for what is no `http` address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "http" or not parts.hostname:
        raise WrongUsage(f"{url} is no address like http://127.0.0.1:9464/livez")
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(ANSWER_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{url} doesn't answer: {str(error) or type(error).__name__}") from None
    finally:
        connection.close()
    return answer.status, text.partition("\n")[0]
