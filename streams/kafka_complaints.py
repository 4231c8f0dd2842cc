"""What Kafka's client says about its connections, told as what an operator can do.

In: the errors that librdkafka reports to `error_cb`. Out: one sentence. A question that can't be
asked at all ends as "timed out" in librdkafka, whatever the reason was; here the reason is kept:
a wrong password, an unknown authority, a certificate that is missing or refused.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError

ALLOWED_HINT: Final = "; `partidor acls kafka` lists what each role is allowed"
FINAL_AFTER_S: Final = 1.0
"""Of several brokers one may be wrong: so long others have to answer."""

_UNREACHED: Final = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}
)
_AUTHORIZATION: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_STATE: Final = re.compile(r" \(after \d+ms in state .*\)$")
_CLIENT_CERTIFICATE: Final = re.compile(
    r"alert (certificate required|handshake failure)", re.IGNORECASE
)
_CERTIFICATE_REFUSED: Final = re.compile(
    r"alert (bad certificate|certificate expired|certificate unknown|unknown ca)", re.IGNORECASE
)


def allowed_by(error: KafkaError) -> str:
    """Where to read what is allowed, for an error about that; else nothing."""
    if error.code() not in _AUTHORIZATION:
        return ""
    return ALLOWED_HINT


class Complaints:
    """Of one client: to be its `error_cb`. From any thread."""

    def __init__(
        self, properties: Mapping[str, str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`properties` are the user's; no value of a secret one is repeated."""
        self._user = properties.get("sasl.username", "")
        self._protocol = properties.get("security.protocol", "plaintext")
        self._monotonic = monotonic
        self._final: tuple[float, str] | None = None
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        """The client reports something."""
        text = _STATE.sub("", error.str())
        final = self._read(error, text)
        if final is not None:
            since = self._monotonic() if self._final is None else self._final[0]
            self._final = since, final
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last = text
        elif not self._last:
            self._last = (
                "brokers close the connection, or nobody listens there; is"
                f" PARTIDOR_KAFKA__SECURITY_PROTOCOL, {self._protocol}, that of the listener?"
            )

    def _read(self, error: KafkaError, text: str) -> str | None:
        """What waiting will not mend; None for anything else."""
        if error.code() == KafkaError._AUTHENTICATION:
            return (
                f"Kafka refuses to sign in {self._user!r}: see PARTIDOR_KAFKA__SASL_USERNAME,"
                " PARTIDOR_KAFKA__SASL_PASSWORD or ..._PASSWORD_FILE, and"
                f" PARTIDOR_KAFKA__SASL_MECHANISM ({text})"
            )
        if "certificate verify failed" in text:
            return (
                "the broker's certificate isn't trusted: PARTIDOR_KAFKA__SSL_CA_LOCATION has to"
                f" name the authority that signed it ({text.partition(': broker certificate')[0]})"
            )
        if _CERTIFICATE_REFUSED.search(text):
            return (
                "the broker refuses the client certificate, which has expired or isn't signed by an"
                f" authority that it trusts: PARTIDOR_KAFKA__SSL_CERTIFICATE_LOCATION ({text})"
            )
        if _CLIENT_CERTIFICATE.search(text):
            return (
                "the broker asks for a client certificate that it trusts: set"
                " PARTIDOR_KAFKA__SSL_CERTIFICATE_LOCATION and PARTIDOR_KAFKA__SSL_KEY_LOCATION"
                f" ({text})"
            )
        return None

    @property
    def final(self) -> str | None:
        """Why asking again is in vain; None as long as it may not be."""
        if self._final is None or self._monotonic() - self._final[0] < FINAL_AFTER_S:
            return None
        return self._final[1]

    def why(self, error: KafkaError | None) -> str | None:
        """The reason behind an error that only says that nobody was reached, if there is one."""
        if error is not None and error.code() not in _UNREACHED:
            return None
        return self._final[1] if self._final is not None else self._last or None
