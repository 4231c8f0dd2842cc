"""Kafka and Redis in containers, through testcontainers, where an engine and the images are.

The images are ours (`deploy/images/`); nothing is ever pulled. Rules:

1. Whether an image is there is asked before it is used: otherwise a pull is tried, which fails in
   odd ways.
2. Host ports are chosen before the start, on the loopback address: Kafka has to tell its clients an
   address.
3. The usual reaper is itself an image to pull. Instead each container carries its starter's process
   id, and the next start on this machine removes those whose starter is gone.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.local.errors import LocalStackError
from streams.local.kafka_server import PROPERTIES, answers_metadata
from streams.local.ports import HOST, free_ports
from streams.local.process import LOG_TAIL_CHARACTERS, READY_TIMEOUT_SECONDS
from streams.local.redis_server import answers_ping

KAFKA_IMAGE = "partidor/kafka:test"
REDIS_IMAGE = "partidor/redis:test"
STARTER_LABEL = "partidor.starter"

ENGINE_TIMEOUT_SECONDS = 5
STOP_TIMEOUT_SECONDS = 20
READY_POLL_SECONDS = 0.1


def why_no_containers() -> str | None:
    """What is missing for containers: None if nothing is, else a sentence with what to do."""
    try:
        import docker
        import testcontainers.core.container  # noqa: F401  (asked for here, used below)
    except ImportError:
        return "testcontainers is not installed (extra `test`)"
    try:
        client = docker.from_env(timeout=ENGINE_TIMEOUT_SECONDS)
        client.ping()
    except docker.errors.DockerException:
        return "no Docker engine answers (install one and start it, or set DOCKER_HOST)"
    try:
        there = {tag for image in client.images.list() for tag in image.tags}
    finally:
        client.close()
    missing = [image for image in (KAFKA_IMAGE, REDIS_IMAGE) if image not in there]
    if missing:
        names = " and no image ".join(missing)
        return f"no image {names} (deploy/images/make-test-images builds them)"
    return None


class ContainerServer:
    """One server in a container, with the verbs of `ServerProcess`; its data survives a kill.

    Args:
        image: One of ours.
        port_inside: Where the server listens in the container.
        is_ready: Asked after a start until it says yes; is told the port on this machine.
        environment: Variables for the server.
        directory: Of this machine, to be seen in the container under the same path; what the server
            writes there belongs to this process's user.

    Attributes:
        port: Where the server listens on the loopback address of this machine.
    """

    def __init__(
        self,
        image: str,
        port_inside: int,
        port: int,
        is_ready: Callable[[int], bool],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # rule 3
        self.port = port
        self._image = image
        self._is_ready = is_ready
        options: dict[str, Any] = {"labels": {STARTER_LABEL: str(os.getpid())}}
        if directory is not None:
            path = os.fspath(directory)
            options |= {"volumes": [(path, path, "rw")], "user": f"{os.getuid()}:{os.getgid()}"}
        self._container = DockerContainer(image, env=dict(environment or {}), **options)
        # Typed as a mere port, yet handed to the engine as it is: address and port (rule 2).
        self._container.ports[f"{port_inside}/tcp"] = (HOST, port)  # type: ignore[assignment]
        self._created = False

    @property
    def is_running(self) -> bool:
        """Whether the server's process exists; it may be paused, or not ready yet."""
        return self._status() in ("running", "paused")

    def start(self) -> None:
        """Start the container, or start it again, and wait until the server answers.

        Raises:
            LocalStackError: it ended at once or wasn't ready in time; the message has the end of
                its log.
        """
        if self.is_running:
            raise LocalStackError(f"{self._image} is running already")
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not self._is_ready(self.port):
            ended = self._status() == "exited"
            if ended or time.monotonic() > deadline:
                log = b"".join(self._container.get_logs()).decode(errors="replace")
                raise LocalStackError(f"{self._image} is not ready:\n{log[-LOG_TAIL_CHARACTERS:]}")
            time.sleep(READY_POLL_SECONDS)

    def stop(self) -> None:
        """End the server in good order. Nothing if it isn't running."""
        if self._status() == "paused":
            self.resume()  # or it would hear nothing of it, and be killed
        if self._created:
            self._container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """End the server at once (SIGKILL), also if it is paused. Nothing if it isn't running."""
        import docker

        if not self.is_running:
            return
        try:
            self._container.get_wrapped_container().kill(signal.SIGKILL)
        except docker.errors.APIError:
            if self.is_running:
                raise  # else it ended by itself between the two lines

    def restart(self) -> None:
        """Stop in good order, then start on the same data, at the same address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Hold the server still: it keeps its connections and answers nothing."""
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self._container.get_wrapped_container().unpause()

    def remove(self) -> None:
        """End the server, however it is, and remove container and data."""
        self._container.stop()

    def _status(self) -> str:
        """What the engine says: created, running, paused, exited, ..."""
        if not self._created:
            return "created"
        container = self._container.get_wrapped_container()
        container.reload()
        return str(container.status)


class KafkaContainer(ContainerServer):
    """A broker in a container, with the properties of the local stack's; twin of `KafkaServer`.

    Args:
        properties: Broker properties to add or to replace. Who listens where is not among them.
        directory: For `server.properties` and `data`, as `KafkaServer` has them; it stays. Without
            one the container keeps them for itself.
    """

    def __init__(
        self, properties: Mapping[str, str] | None = None, directory: Path | None = None
    ) -> None:
        port, controller_port = free_ports(2)
        lines = {**PROPERTIES, **(properties or {})}
        environment = {
            "KAFKA_ADVERTISED": f"{HOST}:{port}",
            # Its data remembers it: the same here and there, whoever takes the data up.
            "KAFKA_CONTROLLER_PORT": str(controller_port),
            "KAFKA_PROPERTIES": "\n".join(f"{name}={value}" for name, value in lines.items()),
        }
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            environment["KAFKA_DIRECTORY"] = os.fspath(directory)
        self._directory = directory
        super().__init__(KAFKA_IMAGE, 9092, port, answers_metadata, environment, directory)

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, `host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def directory(self) -> Path:
        """Where its data is on this machine.

        Raises:
            LocalStackError: in the container only.
        """
        if self._directory is None:
            raise LocalStackError("this broker keeps its data in its container")
        return self._directory


class RedisContainer(ContainerServer):
    """A Redis in a container: after a kill it is empty, at the same address; see `RedisServer`."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        super().__init__(REDIS_IMAGE, 6379, port, answers_ping)

    @property
    def url(self) -> str:
        """The address for clients, `redis://host:port/0`."""
        return f"redis://{HOST}:{self.port}/0"


class ContainerStack:
    """One Kafka and one Redis in containers, for a `with` statement; twin of `LocalStack`.

    Args:
        kafka_directory: See `KafkaContainer`.
        kafka_properties: Broker properties to add or to replace.
    """

    def __init__(
        self,
        kafka_directory: Path | None = None,
        kafka_properties: Mapping[str, str] | None = None,
    ) -> None:
        self._kafka_directory = kafka_directory
        self._kafka_properties = kafka_properties

    def __enter__(self) -> Self:
        """Start both and wait until they answer."""
        remove_leftovers()
        with ExitStack() as started:
            self.redis = RedisContainer()
            started.callback(self.redis.remove)
            self.redis.start()
            self.kafka = KafkaContainer(self._kafka_properties, self._kafka_directory)
            started.callback(self.kafka.remove)
            self.kafka.start()
            self._ends = started.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove both."""
        self._ends.close()

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address, `host:port`; it stays the same over restarts."""
        return self.kafka.bootstrap_servers

    @property
    def redis_url(self) -> str:
        """Redis's address, `redis://host:port/0`; it stays the same over restarts."""
        return self.redis.url


def remove_leftovers() -> None:
    """Remove containers whose starter is gone (rule 3)."""
    import docker

    client = docker.from_env(timeout=ENGINE_TIMEOUT_SECONDS)
    try:
        for container in client.containers.list(all=True, filters={"label": STARTER_LABEL}):
            if not _is_alive(int(container.labels[STARTER_LABEL])):
                container.remove(force=True, v=True)
    finally:
        client.close()


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and alive
    return True
