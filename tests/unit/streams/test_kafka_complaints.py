"""What Kafka's client complains about, told as what to do; and only that as final."""

import pytest
from confluent_kafka import KafkaError

from streams.kafka_complaints import FINAL_AFTER_S, Complaints, allowed_by

UNREACHED = KafkaError(KafkaError._TIMED_OUT)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        """The time that was set."""
        return self.now_s


def complaint(code: int, text: str) -> KafkaError:
    """As librdkafka reports it."""
    return KafkaError(code, f"ssl://h:1/bootstrap: {text} (after 3ms in state SSL_HANDSHAKE)")


@pytest.mark.parametrize(
    ("code", "text", "hint"),
    [
        (KafkaError._AUTHENTICATION, "SASL authentication error: no", "SASL_PASSWORD"),
        (KafkaError._SSL, "routines::certificate verify failed: broker", "SSL_CA_LOCATION"),
        (KafkaError._TRANSPORT, "alert certificate required: 116", "SSL_KEY_LOCATION"),
        (KafkaError._SSL, "tlsv1 alert certificate expired", "has expired"),
        (KafkaError._SSL, "tlsv1 alert unknown ca", "authority that it trusts"),
    ],
)
def test_what_waiting_will_not_mend_is_final_after_a_moment(
    code: int, text: str, hint: str
) -> None:
    """The moment is for another broker, which may answer."""
    clock = Clock()
    complaints = Complaints({"sasl.username": "me", "sasl.password": "open-sesame"}, clock)
    complaints(complaint(code, text))
    complaints(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert complaints.final is None
    clock.now_s = FINAL_AFTER_S
    assert complaints.final is not None
    assert hint in complaints.final
    assert "in state" not in complaints.final
    assert "open-sesame" not in complaints.final
    assert complaints.why(UNREACHED) == complaints.final


def test_a_broker_that_is_away_is_never_final() -> None:
    """It may come; that it is away is said."""
    clock = Clock()
    complaints = Complaints({}, clock)
    complaints(complaint(KafkaError._TRANSPORT, "Connect failed: Connection refused"))
    clock.now_s = 3_600
    assert complaints.final is None
    assert "Connection refused" in str(complaints.why(UNREACHED))
    assert complaints.why(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)) is None


def test_silence_of_brokers_points_to_the_protocol() -> None:
    """They close the connection of who doesn't speak TLS, and say nothing."""
    complaints = Complaints({"security.protocol": "plaintext"})
    complaints(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert "PARTIDOR_KAFKA__SECURITY_PROTOCOL, plaintext" in str(complaints.why(UNREACHED))


def test_only_what_is_not_allowed_points_to_the_roles() -> None:
    """Not what isn't there."""
    assert "acls kafka" in allowed_by(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    assert allowed_by(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)) == ""
