"""A Kafka and a Redis as they should run where others reach them: TLS, sign-in, least privilege.

In: a directory. Out: certificates of an authority of its own, one broker with two ways in
(SASL_SSL with SCRAM-SHA-512; SSL with client certificates) whose authorizer refuses whatever no
rule allows, and a Redis with TLS, client certificates and users.

The principal of a client certificate is the common name alone (`ssl.principal.mapping.rules`).
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
import trustme
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization

from streams.local.kafka_server import KafkaServer
from streams.local.ports import HOST, accepts_connections, free_ports
from streams.local.process import ServerProcess

ADMINISTRATOR: Final = "administrator"
CALL_S: Final = 10.0
_DN_TO_COMMON_NAME: Final = r"RULE:^.*CN=([^,]+).*$/$1/,DEFAULT"
_SCRAM_ITERATIONS: Final = 4096
_JAAS: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class Authority:
    """Certificates as PEM files in a directory.

    Attributes:
        ca: the file to trust.
    """

    def __init__(self, directory: Path) -> None:
        """Makes the authority, and its file."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._ca = trustme.CA()
        self.ca = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca)

    def certificate(self, name: str, *, expired: bool = False) -> tuple[Path, Path]:
        """Paths of a certificate with this common name, for this machine, and of its key."""
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        if not certificate.exists():
            self._issue(name, certificate, key, expired=expired)
        return certificate, key

    def both(self, name: str) -> Path:
        """One file with the key and the certificate, as a Java server takes it."""
        certificate, key = self.certificate(name)
        path = self._directory / f"{name}.both.pem"
        path.touch(mode=0o600)
        path.write_bytes(key.read_bytes() + certificate.read_bytes())
        return path

    def _issue(self, name: str, certificate: Path, key: Path, *, expired: bool) -> None:
        now = dt.datetime.now(dt.UTC)
        day = dt.timedelta(days=1)
        issued = self._ca.issue_cert(
            "localhost",
            HOST,
            common_name=name,
            not_before=now - 2 * day,
            not_after=now - day if expired else now + day,
        )
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        # Java takes keys in PKCS 8 only.
        private = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
        key.touch(mode=0o600)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


class SecuredKafka(KafkaServer):
    """One broker; nothing on it is allowed but by rule, or to the administrator.

    Attributes:
        with_password: address of the listener that asks for a name and a password.
        with_certificate: address of the one that asks for a client certificate.
    """

    def __init__(self, directory: Path, authority: Authority) -> None:
        """Not started yet. The administrator signs in with a certificate, as does the broker."""
        directory.mkdir(parents=True, exist_ok=True)
        port, controller_port, certificate_port = free_ports(3)
        (directory / "ports").write_text(f"{port} {controller_port}\n")
        self.with_password = f"localhost:{port}"
        self.with_certificate = f"localhost:{certificate_port}"
        self._authority = authority
        listeners = (
            f"SASL_SSL://{HOST}:{port},SSL://{HOST}:{certificate_port}"
            f",CONTROLLER://{HOST}:{controller_port}"
        )
        keystore = authority.both("broker")
        super().__init__(
            directory,
            {
                "listeners": listeners,
                "advertised.listeners": listeners.replace(HOST, "localhost"),
                "controller.quorum.bootstrap.servers": f"localhost:{controller_port}",
                "listener.security.protocol.map": "CONTROLLER:SSL,SSL:SSL,SASL_SSL:SASL_SSL",
                "inter.broker.listener.name": "SSL",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": os.fspath(keystore),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": os.fspath(authority.ca),
                "ssl.client.auth": "required",
                "listener.name.sasl_ssl.ssl.client.auth": "none",
                "ssl.principal.mapping.rules": _DN_TO_COMMON_NAME,
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _JAAS,
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found": "false",
                "super.users": f"User:broker;User:{ADMINISTRATOR}",
            },
            remove_when_orphaned=directory.parent,
        )
        self._is_ready = self._answers

    def by_certificate(self, name: str) -> dict[str, str]:
        """Properties of a client with a certificate of this name."""
        certificate, key = self._authority.certificate(name)
        return {
            "bootstrap.servers": self.with_certificate,
            "security.protocol": "SSL",
            "ssl.ca.location": os.fspath(self._authority.ca),
            "ssl.certificate.location": os.fspath(certificate),
            "ssl.key.location": os.fspath(key),
        }

    def by_password(self, name: str, password: str) -> dict[str, str]:
        """Properties of a client that signs in."""
        return {
            "bootstrap.servers": self.with_password,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": os.fspath(self._authority.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": name,
            "sasl.password": password,
        }

    def add_users(self, passwords: Mapping[str, str]) -> None:
        """Let these sign in; nothing is allowed to them yet."""
        admin = AdminClient(self.by_certificate(ADMINISTRATOR))
        method = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ITERATIONS)
        wanted = [
            UserScramCredentialUpsertion(name, method, password.encode())
            for name, password in passwords.items()
        ]
        for done in admin.alter_user_scram_credentials(wanted).values():
            done.result(CALL_S)

    def _answers(self) -> bool:
        if not accepts_connections(self.port):
            return False
        client = AdminClient({**self.by_certificate(ADMINISTRATOR), "log_level": 0})
        try:
            return bool(client.list_topics(timeout=CALL_S).brokers)
        except KafkaException:
            return False


class SecuredRedis(ServerProcess):
    """A Redis that is reached by TLS with a client certificate only, and asks who it is.

    Needs a `redis-server` that was built with TLS.
    """

    def __init__(self, directory: Path, program: Path, authority: Authority, password: str) -> None:
        """Not started yet; `password` is the administrator's (the user `default`)."""
        (self.port,) = free_ports(1)
        self.authority = authority
        self._password = password
        certificate, key = authority.certificate("redis")
        options = {
            "--bind": HOST,
            "--port": "0",
            "--tls-port": str(self.port),
            "--tls-cert-file": os.fspath(certificate),
            "--tls-key-file": os.fspath(key),
            "--tls-ca-cert-file": os.fspath(authority.ca),
            "--tls-auth-clients": "yes",
            "--requirepass": password,
            "--maxmemory-policy": "noeviction",
            "--save": "",
            "--appendonly": "no",
        }
        super().__init__(
            "redis",
            [os.fspath(program), *(part for option in options.items() for part in option)],
            directory,
            self._answers,
            remove_when_orphaned=directory.parent,
        )

    def url(self, user: str = "", password: str = "", certificate_of: str = "client") -> str:
        """`rediss://...` for a user with a certificate; without a password if none is given."""
        certificate, key = self.authority.certificate(certificate_of)
        who = f"{user}:{password}@" if password else f"{user}@" if user else ""
        return (
            f"rediss://{who}localhost:{self.port}/0?ssl_ca_certs={self.authority.ca}"
            f"&ssl_certfile={certificate}&ssl_keyfile={key}"
        )

    def administrator(self) -> Any:
        """A connection that may do everything."""
        return redis.Redis.from_url(self.url("default", self._password))

    def _answers(self) -> bool:
        if not accepts_connections(self.port):
            return False
        client = self.administrator()
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


class Secured:
    """Both, in a temporary directory; a context manager.

    Attributes:
        directory: for the files of whoever uses it.
        redis: None where no Redis with TLS is installed.
    """

    def __init__(self, redis_program: Path | None) -> None:
        """Not started yet."""
        self.directory = Path(tempfile.mkdtemp(prefix="partidor-secured-")).resolve()
        self.authority = Authority(self.directory / "certificates")
        self.kafka = SecuredKafka(self.directory / "kafka", self.authority)
        self.redis = (
            SecuredRedis(self.directory / "redis", redis_program, self.authority, "0nly-for-tests")
            if redis_program is not None
            else None
        )

    def __enter__(self) -> Self:
        """Start both and wait until they answer."""
        try:
            if self.redis is not None:
                self.redis.start()
            self.kafka.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill both; nothing of them is kept."""
        self._end()

    def _end(self) -> None:
        for server in (self.kafka, self.redis):
            if server is not None:
                server.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def redis_with_tls() -> Path | None:
    """An installed server that speaks TLS; None if there is none. Packaged ones don't."""
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name):
            return Path(program)
    return None
