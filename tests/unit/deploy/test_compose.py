"""deploy/compose.yaml and what it mounts: of one piece with the settings and with itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli.configuration import unknown_variables
from streams.settings import Settings
from tests.support.composed import SERVICES, STAND_INS

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
ALL: dict[str, Any] = COMPOSE["services"]
OURS = {name: each for name, each in ALL.items() if "PARTIDOR_IMAGE" in each["image"]}
OTHERS = {"kafka", "redis", "prometheus", "grafana"}


def test_the_services_are_those_that_are_tried() -> None:
    """All but those whose images nobody builds here run in tests/integration/test_image.py."""
    assert {*OURS, *OTHERS} == set(ALL)
    assert {*SERVICES, "partidor", "prometheus", "grafana"} == set(ALL)
    stand_ins = yaml.safe_load(STAND_INS.read_text())["services"]
    assert set(stand_ins) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_service_is_hardened_and_reached_from_this_machine_only(name: str) -> None:
    """No capabilities, no more of them later, a pinned image that a variable may replace."""
    service = ALL[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "kafka")
    variable, _, default = service["image"].removeprefix("${").removesuffix("}").partition(":-")
    assert variable.endswith("_IMAGE")
    image, _, tag = default.partition(":")
    assert image
    assert tag not in ("", "latest")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert service["logging"]["options"]["max-size"]


def test_every_variable_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Misspelt ones would be ignored in silence."""
    names = {name for each in OURS.values() for name in each["environment"]}
    for name in names:
        monkeypatch.setenv(name, "1")
    assert unknown_variables() == []


def test_each_dispatcher_has_a_slot_of_its_own() -> None:
    """Two of them in one slot would fence each other."""
    running = {name: each for name, each in OURS.items() if each["command"] == ["run"]}
    slots = [each["environment"]["PARTIDOR_SLOT"] for each in running.values()]
    assert sorted(slots) == ["0", "1"]
    longest_ms = (
        Settings.model_fields["retry_deadline_ms"].default
        + Settings.model_fields["redis_flush_on_revoke_ms"].default
        + Settings.model_fields["call_timeout_ms"].default
    )
    for service in running.values():
        assert int(service["stop_grace_period"].removesuffix("s")) > longest_ms / 1000


def test_whoever_is_waited_for_can_be_healthy() -> None:
    """`service_healthy` needs a check; one that ends needs none, and is never started again."""
    for service in ALL.values():
        waits = service.get("depends_on", {})
        for name in waits:
            condition = "" if isinstance(waits, list) else waits[name]["condition"]
            if condition == "service_healthy":
                assert "test" in ALL[name]["healthcheck"]
            elif condition == "service_completed_successfully":
                assert ALL[name]["restart"] == "no"


def test_prometheus_asks_every_process_of_ours_and_grafana_asks_prometheus() -> None:
    """Host names and ports in deploy/monitoring are those of the services."""
    scraped = yaml.safe_load((DEPLOY / "monitoring/prometheus.yml").read_text())
    targets = {
        target
        for job in scraped["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    assert targets == {"dispatcher-0:9464", "dispatcher-1:9464", "lag:9465", "views:6066"}
    assert ALL["lag"]["environment"]["PARTIDOR_METRICS_PORT"] == "9465"
    grafana = DEPLOY / "monitoring/grafana/provisioning"
    (source,) = yaml.safe_load((grafana / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert ":9090" in ALL["prometheus"]["ports"][0]
    (provider,) = yaml.safe_load((grafana / "dashboards/partidor.yml").read_text())["providers"]
    mounts = {each.split(":")[1]: each.split(":")[0] for each in ALL["grafana"]["volumes"]}
    assert mounts[provider["options"]["path"]] == "./monitoring/dashboards"


def test_what_is_mounted_is_there() -> None:
    """A file that isn't there would become an empty directory; volumes are declared."""
    for service in ALL.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
                assert mount.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]
