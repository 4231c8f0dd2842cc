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
from collections.abc import Callable
from types import TracebackType
from typing import Self

from streams.local.errors import LocalStackError
from streams.local.kafka_server import answers_metadata
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
        port: The same, on the loopback address of this machine.
        environment: Variables for the server.
        is_ready: Asked after a start until it says yes.
    """

    def __init__(
        self,
        image: str,
        port_inside: int,
        port: int,
        environment: dict[str, str],
        is_ready: Callable[[int], bool],
    ) -> None:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # rule 3
        self.port = port
        self._image = image
        self._is_ready = is_ready
        labels = {STARTER_LABEL: str(os.getpid())}
        self._container = DockerContainer(image, env=environment, labels=labels)
        # Typed as a mere port, yet handed to the engine as it is: address and port (rule 2).
        self._container.ports[f"{port_inside}/tcp"] = (HOST, port)  # type: ignore[assignment]
        self._created = False

    def start(self) -> None:
        """Start the container, or start it again, and wait until the server answers."""
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not self._is_ready(self.port):
            if time.monotonic() > deadline:
                log = b"".join(self._container.get_logs()).decode(errors="replace")
                raise LocalStackError(f"{self._image} is not ready:\n{log[-LOG_TAIL_CHARACTERS:]}")
            time.sleep(READY_POLL_SECONDS)

    def stop(self) -> None:
        """End the server in good order."""
        self._container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """End the server at once (SIGKILL)."""
        self._container.get_wrapped_container().kill(signal.SIGKILL)

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


class ContainerStack:
    """One Kafka and one Redis in containers, for a `with` statement; twin of `LocalStack`."""

    def __enter__(self) -> Self:
        """Start both and wait until they answer."""
        remove_leftovers()
        kafka_port, redis_port = free_ports(2)
        self.bootstrap_servers = f"{HOST}:{kafka_port}"
        self.redis_url = f"redis://{HOST}:{redis_port}/0"
        advertised = {"KAFKA_ADVERTISED": self.bootstrap_servers}
        self.kafka = ContainerServer(KAFKA_IMAGE, 9092, kafka_port, advertised, answers_metadata)
        self.redis = ContainerServer(REDIS_IMAGE, 6379, redis_port, {}, answers_ping)
        try:
            self.redis.start()
            self.kafka.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove both."""
        self.kafka.remove()
        self.redis.remove()


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
