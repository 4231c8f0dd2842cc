"""deploy/compose.yaml, run on this machine from the image and the test images.

In: a Docker engine, Compose, the images `partidor:test`, `partidor/kafka:test` and
`partidor/redis:test`. Out: services to be killed and started, and any command run from the image.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.local.containers import KAFKA_IMAGE, REDIS_IMAGE
from streams.local.ports import HOST, free_ports

DEPLOY = Path(__file__).parents[2] / "deploy"
STAND_INS = Path(__file__).with_name("compose-stand-ins.yaml")
IMAGE = "partidor:test"
SERVICES = ("kafka", "redis", "topics", "dispatcher-0", "dispatcher-1", "views", "lag")
"""All but Prometheus and Grafana, whose images nobody can build here."""
COMMAND_MAX_S = 180


def compose() -> list[str] | None:
    """The program, in either of its versions; None where it isn't."""
    if shutil.which("docker") and not _fails(["docker", "compose", "version"]):
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def why_not() -> str | None:
    """What is missing to run it: None if nothing is, else a sentence with what to do."""
    if not shutil.which("docker") or _fails(["docker", "version"]):
        return "no Docker engine answers (install one and start it, or set DOCKER_HOST)"
    if compose() is None:
        return "no Docker Compose (on Debian the package docker-compose)"
    missing = [each for each in (IMAGE, KAFKA_IMAGE, REDIS_IMAGE) if not _is_image(each)]
    if missing:
        return f"no image {' and no image '.join(missing)} (tests/run image builds them)"
    return None


def _fails(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


def _is_image(name: str) -> bool:
    return not _fails(["docker", "image", "inspect", name])


def docker(*arguments: str, given: str | None = None) -> str:
    """A command of the engine's client: its output. Raises AssertionError with what it said."""
    done = subprocess.run(
        ["docker", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_MAX_S,
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Composed:
    """A context manager: all services up; gone afterwards, with their data.

    Attributes:
        token: for the views.
        views_url: where they answer on this machine.
        dispatcher_url: where the second dispatcher's metrics and probes are.
    """

    def __init__(self) -> None:
        views_port, kafka_port, dispatcher_port = free_ports(3)
        self._name = f"partidor-test-{uuid.uuid4().hex[:8]}"
        self.token = uuid.uuid4().hex
        self.views_url = f"http://{HOST}:{views_port}"
        self.dispatcher_url = f"http://{HOST}:{dispatcher_port}"
        self._containers: dict[str, str] = {}
        self._environment = {
            "PARTIDOR_IMAGE": IMAGE,
            "PARTIDOR_VIEWS_TOKEN": self.token,
            "VIEWS_PORT": str(views_port),
            "KAFKA_PORT": str(kafka_port),
            "DISPATCHER_PORT": str(dispatcher_port),
        }

    def __enter__(self) -> Self:
        """Start everything in the order that `depends_on` gives."""
        try:
            self.compose("up", "-d", *SERVICES)
        except BaseException:
            self.compose("down", "--volumes", "--timeout", "1")
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove everything."""
        if error is not None:
            print(self.compose("logs", "--no-color", "--tail", "40", *SERVICES[2:]))
        self.compose("down", "--volumes", "--timeout", "5")

    def compose(self, *arguments: str) -> str:
        """A command of Compose for these services: its output."""
        program = compose()
        assert program is not None
        files = ["-f", os.fspath(DEPLOY / "compose.yaml"), "-f", os.fspath(STAND_INS)]
        done = subprocess.run(
            [*program, "-p", self._name, *files, *arguments],
            env={**os.environ, **self._environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_MAX_S,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def container(self, service: str) -> str:
        """The id of a service's container; it keeps it over a kill and a start."""
        if service not in self._containers:
            self._containers[service] = self.compose("ps", "-q", service).strip()
        return self._containers[service]

    def partidor(self, *arguments: str, given: str | None = None) -> str:
        """A command run from the image, as hardened as the services, beside them: its output."""
        hardened = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true")
        return docker(
            "run", "--rm", "-i", "--log-driver=none", *hardened, "--tmpfs=/tmp",
            f"--network={self._name}_default", "-e=PARTIDOR_KAFKA__BOOTSTRAP_SERVERS=kafka:9092",
            "-e=PARTIDOR_REDIS_URL=redis://redis:6379/0",
            IMAGE, *arguments, given=given,
        )  # fmt: skip

    def inside(self, service: str, *command: str) -> str:
        """A command run in a service's container: its output."""
        return docker("exec", self.container(service), *command)

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's container."""
        import json

        (found,) = json.loads(docker("inspect", self.container(service)))
        return dict(found)
