import logging
import ssl
from pathlib import Path

import pytest
from faust.types.auth import AuthProtocol

from streams.failure import WrongUsage
from streams.views.credentials import broker_urls, client_id, credentials
from streams.views.quiet import KINDS_MAX, Seldom
from streams.views.settings import ViewsSettings, load_views_settings, views_rows


def test_servers_become_faust_urls() -> None:
    """A list, with spaces or schemes as librdkafka allows them."""
    servers = {"bootstrap.servers": "one:9092, PLAINTEXT://two:19092,three"}
    assert broker_urls(servers) == ["kafka://one:9092", "kafka://two:19092", "kafka://three"]


@pytest.mark.parametrize("servers", ["", " , ", "[::1]:9092"])
def test_servers_that_faust_cannot_reach_are_refused(servers: str) -> None:
    """It loses the brackets of an address."""
    with pytest.raises(WrongUsage):
        broker_urls({"bootstrap.servers": servers})


def test_a_cluster_without_security_needs_no_credentials() -> None:
    """Tuning of librdkafka is nothing to Faust."""
    assert credentials({"linger.ms": "5"}) is None
    assert credentials({"security.protocol": "PLAINTEXT"}) is None


def test_tls_is_checked_by_default() -> None:
    """Certificate and host name; each can be switched off in librdkafka's words."""
    found = credentials({"security.protocol": "SSL"})
    assert found is not None
    assert found.protocol is AuthProtocol.SSL
    context: ssl.SSLContext = found.context  # type: ignore[attr-defined]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    found = credentials(
        {"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"}
    )
    context = found.context  # type: ignore[union-attr]
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    found = credentials(
        {"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"}
    )
    assert found.context.verify_mode is ssl.CERT_NONE  # type: ignore[union-attr]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("name", ["sasl.mechanism", "sasl.mechanisms"])
def test_a_password_signs_in(mechanism: str, name: str) -> None:
    """In plain text only where that is asked for."""
    kafka = {name: mechanism, "sasl.username": "me", "sasl.password": "it is"}
    found = credentials({**kafka, "security.protocol": "SASL_SSL"})
    assert found is not None
    assert found.protocol is AuthProtocol.SASL_SSL
    assert found.mechanism.value == mechanism  # type: ignore[attr-defined]
    assert (found.username, found.password) == ("me", "it is")  # type: ignore[attr-defined]
    assert found.ssl_context is not None  # type: ignore[attr-defined]
    found = credentials({**kafka, "security.protocol": "SASL_PLAINTEXT"})
    assert found is not None
    assert found.protocol is AuthProtocol.SASL_PLAINTEXT
    assert found.ssl_context is None  # type: ignore[attr-defined]


def test_kerberos_is_encrypted_where_that_is_asked_for() -> None:
    """Faust by itself would send it in the clear."""
    found = credentials({"security.protocol": "SASL_SSL", "sasl.kerberos.service.name": "k"})
    assert found is not None
    assert found.protocol is AuthProtocol.SASL_SSL
    assert found.kerberos_service_name == "k"  # type: ignore[attr-defined]
    found = credentials({"security.protocol": "SASL_PLAINTEXT"})
    assert found is not None
    assert found.protocol is AuthProtocol.SASL_PLAINTEXT


@pytest.mark.parametrize(
    "kafka",
    [
        {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"},
        {"security.protocol": "TELEPATHY"},
        {"security.protocol": "SSL", "ssl.keystore.location": "here.p12"},
        {"sasl.oauthbearer.config": "principal=admin"},
        {"security.protocol": "SSL", "ssl.ca.location": "no such file"},
        {"security.protocol": "SSL", "ssl.ca.pem": "no certificate"},
        {"security.protocol": "SSL", "ssl.certificate.location": "no such file"},
        {"security.protocol": "SSL", "ssl.certificate.pem": "none", "ssl.key.pem": "none"},
    ],
)
def test_what_cannot_be_honoured_is_refused(kafka: dict[str, str]) -> None:
    """Never skipped: the connection would be less safe than asked for."""
    with pytest.raises(WrongUsage):
        credentials(kafka)


def test_brokers_know_the_process_by_a_name() -> None:
    """The one given, else one of its own."""
    assert client_id({}, "partidor") == "partidor-views"
    assert client_id({"client.id": "mine"}, "partidor") == "mine"


def test_settings_come_from_the_environment_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beside the settings of all other commands."""
    file = tmp_path / "settings.toml"
    file.write_text('application_id = "x"\n[views]\nport = 7000\nhost = "::1"\n')
    monkeypatch.setenv("PARTIDOR_SETTINGS_FILE", str(file))
    monkeypatch.setenv("PARTIDOR_VIEWS__PORT", "7001")
    found = load_views_settings()
    assert (found.host, found.port) == ("::1", 7001)


def test_by_default_only_this_machine_is_served() -> None:
    """Nothing is shown to a network that nobody meant to show it to."""
    assert ViewsSettings().host == "127.0.0.1"
    assert ViewsSettings().port == 6066


@pytest.mark.parametrize("name", ["PORT", "SNAPSHOT_INTERVAL_MS", "NO_SUCH_SETTING"])
def test_a_wrong_setting_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable; the value is not repeated."""
    monkeypatch.setenv(f"PARTIDOR_VIEWS__{name}", "-17")
    with pytest.raises(WrongUsage, match=f"PARTIDOR_VIEWS__{name}") as caught:
        load_views_settings()
    assert "-17" not in str(caught.value)


def test_snapshots_stand_in_the_users_state_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Unless another place is set."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ViewsSettings().data_directory == tmp_path / "partidor" / "views"
    assert ViewsSettings(data_dir=Path("here")).data_directory == Path("here")


def test_every_setting_has_a_row() -> None:
    """With its variable and what it bounds."""
    rows = list(views_rows(ViewsSettings()))
    assert [row.name for row in rows] == [f"views.{name}" for name in ViewsSettings.model_fields]
    assert all(row.variable.startswith("PARTIDOR_VIEWS__") and row.bounds for row in rows)


def record(line: int, message: str = "away") -> logging.LogRecord:
    """A line of some library."""
    return logging.LogRecord("aiokafka", logging.ERROR, "client.py", line, message, None, None)


def test_the_same_kind_of_line_is_written_now_and_then() -> None:
    """Another kind at once; nothing is remembered without bound."""
    seldom = Seldom(repeated_after_s=1_000.0)
    assert [seldom.filter(record(1, text)) for text in ("a", "b", "a")] == [True, False, False]
    assert seldom.filter(record(2))
    assert Seldom(repeated_after_s=0.0).filter(record(1))
    assert all(seldom.filter(record(line)) for line in range(10, 10 + KINDS_MAX))
    assert seldom.filter(record(1))
