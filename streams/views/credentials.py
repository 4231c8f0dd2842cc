"""The cluster's address and credentials, from librdkafka's properties to Faust's objects.

In: the same `PARTIDOR_KAFKA__...` properties as for all other processes. Out: Faust's broker URLs,
credentials and client id. Faust speaks to Kafka through aiokafka, which knows fewer mechanisms; a
property about security that can't be honoured is refused, never skipped. All others tune
librdkafka, which isn't at work here.
"""

import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from faust.auth import GSSAPICredentials, SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from streams.failure import WrongUsage

_PASSWORD_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_KNOWN_SECURITY: Final = frozenset(
    {
        "enable.ssl.certificate.verification",
        "sasl.kerberos.service.name",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.password",
        "sasl.username",
        "security.protocol",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.key.pem",
    }
)


def broker_urls(kafka: Mapping[str, str]) -> list[str]:
    """`host:port,...` as Faust's URLs. Raises WrongUsage."""
    urls = []
    for server in kafka["bootstrap.servers"].split(","):
        address = server.strip().rpartition("://")[2]
        if address.startswith("["):
            raise WrongUsage(f"the views reach Kafka by a host's name, not by {address}")
        if address:
            urls.append(f"kafka://{address}")
    if not urls:
        raise WrongUsage("kafka.bootstrap.servers names no server")
    return urls


def credentials(kafka: Mapping[str, str]) -> CredentialsT | None:
    """What Faust signs in with; None for a cluster that asks for nothing. Raises WrongUsage."""
    for name in kafka:
        about_security = name.startswith(("sasl.", "ssl.", "security.", "enable.ssl"))
        if about_security and name not in _KNOWN_SECURITY:
            raise WrongUsage(f"the views can't honour kafka.{name}")
    protocol = kafka.get("security.protocol", "plaintext").lower()
    match protocol:
        case "plaintext":
            return None
        case "ssl":
            return SSLCredentials(_ssl_context(kafka))
        case "sasl_plaintext":
            return _sasl(kafka, None)
        case "sasl_ssl":
            return _sasl(kafka, _ssl_context(kafka))
    raise WrongUsage(f"kafka.security.protocol can't be {protocol!r}")


def _sasl(kafka: Mapping[str, str], context: ssl.SSLContext | None) -> CredentialsT:
    # librdkafka has two names for it, and this default.
    mechanism = kafka.get("sasl.mechanisms") or kafka.get("sasl.mechanism") or "GSSAPI"
    if mechanism in _PASSWORD_MECHANISMS:
        return SASLCredentials(
            username=kafka.get("sasl.username", ""),
            password=kafka.get("sasl.password", ""),
            mechanism=mechanism,
            ssl_context=context,
        )
    if mechanism == "GSSAPI":
        service = kafka.get("sasl.kerberos.service.name", "kafka")
        made = GSSAPICredentials(
            kerberos_service_name=service, mechanism=mechanism, ssl_context=context
        )
        if context is not None:
            # Faust leaves the protocol at SASL_PLAINTEXT here, and would not encrypt.
            made.protocol = type(made.protocol).SASL_SSL
        return made
    raise WrongUsage(f"the views can't sign in with {mechanism}; they can with PLAIN and SCRAM")


def _ssl_context(kafka: Mapping[str, str]) -> ssl.SSLContext:
    try:
        return _made_context(kafka)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise WrongUsage(f"kafka.ssl.*: {error}") from None


def _made_context(kafka: Mapping[str, str]) -> ssl.SSLContext:
    location = kafka.get("ssl.ca.location")
    is_directory = location is not None and Path(location).is_dir()
    context = ssl.create_default_context(
        cafile=None if is_directory else location,
        capath=location if is_directory else None,
        cadata=kafka.get("ssl.ca.pem"),
    )
    if kafka.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if kafka.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    password = kafka.get("ssl.key.password")
    if "ssl.certificate.location" in kafka:
        certificate, key = kafka["ssl.certificate.location"], kafka.get("ssl.key.location")
        context.load_cert_chain(certificate, key, password)
    elif "ssl.certificate.pem" in kafka:
        # Python loads certificates from files only; this one is gone when it is loaded.
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "certificate.pem"
            file.touch(mode=0o600)
            file.write_text(f"{kafka.get('ssl.key.pem', '')}\n{kafka['ssl.certificate.pem']}\n")
            context.load_cert_chain(file, None, password)
    return context


def client_id(kafka: Mapping[str, str], application_id: str) -> str:
    """What the brokers' logs call this process."""
    return kafka.get("client.id", f"{application_id}-views")


def faust_options(kafka: Mapping[str, str], application_id: str) -> dict[str, Any]:
    """Faust's settings that depend on the cluster. Raises WrongUsage."""
    return {
        "broker": broker_urls(kafka),
        "broker_credentials": credentials(kafka),
        "broker_client_id": client_id(kafka, application_id),
    }
