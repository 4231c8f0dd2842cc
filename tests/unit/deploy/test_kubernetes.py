"""deploy/kubernetes: valid by Kubernetes' own schemas, and of one piece with the settings."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from streams.cli.configuration import unknown_variables
from streams.metrics import table
from streams.settings import Settings
from streams.views.settings import ViewsSettings
from tests.support.kustomize import Resource, build, documents, kustomization

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
PRODUCTION = KUBERNETES / "overlays" / "production"
BUILDS = (KUBERNETES / "base", PRODUCTION, KUBERNETES / "topics")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
CUSTOM = ("ScaledObject", "PodMonitor")
SECRETS = {"PARTIDOR_REDIS_URL", "PARTIDOR_KAFKA__SASL_PASSWORD", "PARTIDOR_VIEWS__TOKEN"}
"""What may stand in a file, with `_FILE` behind the name."""
HANGS_VISIBLY_S = 30


@pytest.fixture(params=BUILDS, ids=lambda path: path.name)
def built(request: pytest.FixtureRequest) -> list[Resource]:
    """What one of the directories comes to."""
    return build(request.param)


@pytest.fixture
def production() -> list[Resource]:
    """The overlay, with both components."""
    return build(PRODUCTION)


def of_kind(resources: list[Resource], *kinds: str) -> Iterator[Resource]:
    """Those of some kinds."""
    return (each for each in resources if each["kind"] in kinds)


def named(resources: list[Resource], kind: str, name: str) -> Resource:
    """The one of a kind and name."""
    (found,) = (each for each in of_kind(resources, kind) if each["metadata"]["name"] == name)
    return found


def pods(resources: list[Resource]) -> Iterator[tuple[str, Resource]]:
    """Each workload's name and pod template."""
    for each in of_kind(resources, *WORKLOADS):
        yield each["metadata"]["name"], each["spec"]["template"]


def container(template: Resource) -> dict[str, Any]:
    """The one container of a pod."""
    (found,) = template["spec"]["containers"]
    return dict(found)


def test_every_resource_is_valid_by_the_schemas_of_kubernetes(built: list[Resource]) -> None:
    """Strictly: a field that Kubernetes doesn't know is an error. And there are resources."""
    native = [each for each in built if each["kind"] not in CUSTOM]
    assert native
    for resource in native:
        for version in ("1.31", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(resource, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_noticed(production: list[Resource]) -> None:
    """So the test above can fail."""
    dispatcher = named(production, "StatefulSet", "dispatcher")
    dispatcher["spec"]["template"]["spec"]["readOnly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(dispatcher, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("directory", BUILDS, ids=lambda path: path.name)
def test_kubectl_builds_the_same(directory: Path) -> None:
    """Where kubectl is, it has to agree with the builder of these tests; elsewhere that is all."""
    program = shutil.which("kubectl")
    if program is None:
        assert build(directory)
        return
    done = subprocess.run(
        [program, "kustomize", directory], capture_output=True, text=True, check=False, timeout=60
    )
    if "unknown command" in done.stderr:
        return
    assert done.returncode == 0, done.stderr
    theirs = [each for each in yaml.safe_load_all(done.stdout) if each]
    assert _sorted(theirs) == _sorted(build(directory))


def _sorted(resources: list[Resource]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in resources)


def test_every_file_is_used_once() -> None:
    """What lies in a directory of manifests is named by its kustomization, and nothing else is."""
    directories = {path.parent for path in KUBERNETES.rglob("*.yaml")}
    for directory in directories:
        own = kustomization(directory)
        here = [*own.get("resources", ())]
        here += [each["path"] for each in own.get("patches", ()) if "path" in each]
        files = {name for name in here if not (directory / name).is_dir()}
        assert files == {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"}
        assert len(here) == len(set(here))
        for name in (*own.get("resources", ()), *own.get("components", ())):
            assert (directory / name).exists(), name


def test_selectors_find_their_pods(production: list[Resource]) -> None:
    """Workloads, services, budgets, policies and monitors choose by labels that pods have."""
    labels = {name: template["metadata"]["labels"] for name, template in pods(production)}
    for each in of_kind(production, "Deployment", "StatefulSet", "PodDisruptionBudget"):
        wanted = each["spec"]["selector"]["matchLabels"]
        assert [name for name, has in labels.items() if wanted.items() <= has.items()] == [
            each["metadata"]["name"]
        ]
    for each in of_kind(production, "Service"):
        wanted = each["spec"]["selector"]
        assert wanted.items() <= labels[each["metadata"]["name"]].items()
    for each in of_kind(production, "NetworkPolicy"):
        wanted = each["spec"]["podSelector"]["matchLabels"]
        assert any(wanted.items() <= has.items() for has in labels.values())
    for each in of_kind(production, "StatefulSet"):
        assert named(production, "Service", each["spec"]["serviceName"])
    for _, template in pods(production):
        assert named(production, "ServiceAccount", template["spec"]["serviceAccountName"])


def test_every_pod_is_fit_for_the_strictest_standard(built: list[Resource]) -> None:
    """Not root, nothing writable but volumes, no capability, no token, bounded memory."""
    for name, template in pods(built):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] == _user_of_the_image()
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all({"emptyDir", "secret"} & volume.keys() for volume in spec["volumes"])
        own = container(template)
        assert own["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= own["resources"]["requests"].keys()
        assert "memory" in own["resources"]["limits"]
        mounted = {each["mountPath"] for each in own["volumeMounts"]}
        assert "/tmp" in mounted
        assert not any("Key" in json.dumps(each) for each in own["env"]), "secrets are files"


def _user_of_the_image() -> int:
    (user,) = re.findall(r"^USER (\d+):\1$", _dockerfile(), re.MULTILINE)
    return int(user)


def _dockerfile() -> str:
    return (ROOT / "deploy/Dockerfile").read_text()


def test_every_variable_is_a_setting(
    built: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Misspelt ones would be ignored in silence; secrets come by file, where that is known."""
    names = {name for each in of_kind(built, "ConfigMap") for name in each["data"]}
    for _, template in pods(built):
        names |= {each["name"] for each in container(template)["env"]}
    files = {name for name in names if name.endswith("_FILE")}
    assert {name.removesuffix("_FILE") for name in files} <= SECRETS
    for name in names - files | {name.removesuffix("_FILE") for name in files}:
        monkeypatch.setenv(name, "x")
    assert unknown_variables() == []
    assert all(name.startswith("PARTIDOR_") for name in names)


def test_every_secret_is_mounted_where_its_variable_looks(built: list[Resource]) -> None:
    """And the document names the secret with its key."""
    told = (ROOT / "deploy/production.md").read_text()
    for _, template in pods(built):
        own = container(template)
        mounts = {each["mountPath"]: each["name"] for each in own["volumeMounts"]}
        volumes = {each["name"]: each for each in template["spec"]["volumes"]}
        for each in own["env"]:
            if not each["name"].endswith("_FILE"):
                continue
            directory, _, key = each["value"].rpartition("/")
            secret = volumes[mounts[directory]]["secret"]["secretName"]
            assert re.search(rf"`{secret}`.*`{key}`", told), (secret, key)


@pytest.fixture
def settings(production: list[Resource], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As a process of the overlay has them."""
    for name in [each for each in os.environ if each.startswith("PARTIDOR_")]:
        monkeypatch.delenv(name)
    for name, value in named(production, "ConfigMap", "partidor-settings")["data"].items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_numbers_of_the_dispatchers_probes_follow_from_the_settings(
    production: list[Resource], settings: Settings
) -> None:
    """What hangs is seen within 30 s; who starts, stops or restores is given its time."""
    spec = named(production, "StatefulSet", "dispatcher")["spec"]["template"]["spec"]
    own = container({"spec": spec})
    assert _longest_s(own["readinessProbe"]) + settings.loop_age_max_ms / 1000 <= HANGS_VISIBLY_S
    assert _longest_s(own["startupProbe"]) > 2 * settings.call_timeout_ms / 1000
    # The process's own watchdog comes first; then the group's patience; then the probe.
    assert settings.stall_max_ms < settings.max_poll_interval_ms
    assert own["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert own["readinessProbe"]["httpGet"]["path"] == "/readyz"
    stop_ms = (
        settings.retry_deadline_ms + settings.redis_flush_on_revoke_ms + settings.call_timeout_ms
    )
    assert spec["terminationGracePeriodSeconds"] > stop_ms / 1000


def _longest_s(probe: Resource) -> int:
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def test_probes_ports_and_policies_name_the_ports_that_are_listened_on(
    production: list[Resource],
) -> None:
    """The image's port of metrics unless the pod says another; the views' own."""
    (metrics,) = re.findall(r"PARTIDOR_METRICS_PORT=(\d+)", _dockerfile())
    views = ViewsSettings.model_fields["port"].default
    listened = set()
    for name, template in pods(production):
        own = container(template)
        environment = {each["name"]: each.get("value") for each in own["env"]}
        port = views if name == "views" else int(environment.get("PARTIDOR_METRICS_PORT", metrics))
        (declared,) = own["ports"]
        assert declared["containerPort"] == port
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert own[probe]["httpGet"]["port"] == declared["name"]
        listened.add(port)
    for each in of_kind(production, "Service"):
        template = dict(pods(production))[each["metadata"]["name"]]
        ports = {port["name"] for port in container(template)["ports"]}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports
    policy = named(production, "NetworkPolicy", "partidor-from-prometheus")
    assert {each["port"] for each in policy["spec"]["ingress"][0]["ports"]} == listened
    board = named(production, "NetworkPolicy", "partidor-to-the-board")
    assert [each["port"] for each in board["spec"]["ingress"][0]["ports"]] == [views]


def test_nobody_may_talk_to_anybody_but_who_is_named(production: list[Resource]) -> None:
    """A policy without rules for all pods; every rule of the others names both who and where."""
    policies = list(of_kind(production, "NetworkPolicy"))
    closed = named(production, "NetworkPolicy", "partidor-nobody")["spec"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & closed.keys()
    for policy in policies:
        spec = policy["spec"]
        for rule in spec.get("ingress", []) + spec.get("egress", []):
            assert rule["ports"]
            who = rule.get("from") or rule["to"]
            assert all(each["namespaceSelector"]["matchLabels"] for each in who)
    brokers = {each.rpartition(":")[2] for each in _brokers(production)}
    (rule, *_) = named(production, "NetworkPolicy", "partidor-to-kafka-redis-and-dns")["spec"][
        "egress"
    ]
    assert {str(each["port"]) for each in rule["ports"]} == brokers


def _brokers(resources: list[Resource]) -> list[str]:
    data = named(resources, "ConfigMap", "partidor-settings")["data"]
    return str(data["PARTIDOR_KAFKA__BOOTSTRAP_SERVERS"]).split(",")


def test_each_dispatcher_has_a_slot_of_its_own_for_good(production: list[Resource]) -> None:
    """The pod's name, which a StatefulSet gives to one pod at a time; it is a valid slot."""
    own = container(dict(pods(production))["dispatcher"])
    (slot,) = (each for each in own["env"] if each["name"] == "PARTIDOR_SLOT")
    assert slot["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert Settings(slot="dispatcher-0").slot == "dispatcher-0"


# Of keda.sh/v1alpha1 and monitoring.coreos.com/v1, as their projects document them: no package
# carries their schemas.
SCALED_OBJECT_FIELDS = {
    "scaleTargetRef", "pollingInterval", "cooldownPeriod", "initialCooldownPeriod",
    "idleReplicaCount", "minReplicaCount", "maxReplicaCount", "fallback", "advanced", "triggers",
}  # fmt: skip
PROMETHEUS_TRIGGER_FIELDS = {
    "serverAddress", "query", "threshold", "activationThreshold", "namespace", "customHeaders",
    "queryParameters", "ignoreNullValues", "unsafeSsl", "timeout", "authModes",
}  # fmt: skip
MONITOR_ENDPOINT_FIELDS = {"port", "path", "interval", "scrapeTimeout", "relabelings"}


def test_scaling_follows_the_lag_without_a_storm_of_rebalances(
    production: list[Resource], settings: Settings
) -> None:
    """One at a time, slowly, never more than there are partitions; nobody else sets the number."""
    found = named(production, "ScaledObject", "dispatcher")
    spec = found["spec"]
    assert found["apiVersion"] == "keda.sh/v1alpha1"
    assert spec.keys() <= SCALED_OBJECT_FIELDS
    target = named(production, spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
    assert target["apiVersion"] == spec["scaleTargetRef"]["apiVersion"]
    assert "replicas" not in target["spec"], "applying it again would set the number back"
    assert 2 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= settings.partitions / 2
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for direction, slowest_s in (("scaleUp", 120), ("scaleDown", 1800)):
        assert behavior[direction]["stabilizationWindowSeconds"] >= slowest_s
        (policy,) = behavior[direction]["policies"]
        assert (policy["type"], policy["value"]) == ("Pods", 1)
        assert policy["periodSeconds"] >= 180
        # A period that the autoscaler takes: at most half an hour.
        assert policy["periodSeconds"] <= 1800
    (trigger,) = spec["triggers"]
    assert trigger.keys() == {"type", "metricType", "metadata"}
    assert trigger["type"] == "prometheus"
    assert trigger["metadata"].keys() <= PROMETHEUS_TRIGGER_FIELDS
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    query = trigger["metadata"]["query"]
    assert f"{table.GROUP_LAG.name}{{" in query
    assert f'consumergroup="{settings.application_id}"' in query
    for topic in settings.topics.inputs:
        assert topic.replace(".", "[.]") in query


def test_prometheus_finds_every_process_under_the_name_that_rules_go_by(
    production: list[Resource],
) -> None:
    """One monitor; the jobs are called as in deploy/monitoring/prometheus.yml."""
    spec = named(production, "PodMonitor", "partidor")["spec"]
    endpoints = spec["podMetricsEndpoints"]
    assert all(each.keys() <= MONITOR_ENDPOINT_FIELDS for each in endpoints)
    ports = {each["port"] for each in endpoints}
    for name, template in pods(production):
        assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert template["metadata"]["labels"]["app.kubernetes.io/component"] == name
        assert container(template)["ports"][0]["name"] in ports
    (scraped,) = documents(ROOT / "deploy/monitoring/prometheus.yml")
    jobs = {each["job_name"] for each in scraped["scrape_configs"]}
    assert {f"partidor-{name}" for name, _ in pods(production)} == jobs
    for each in endpoints:
        (relabeling,) = each["relabelings"]
        assert relabeling["replacement"] == "partidor-$1"


def test_the_image_is_the_version_of_this_checkout(built: list[Resource]) -> None:
    """Pinned, and the same everywhere."""
    (version,) = re.findall(
        r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    images = {container(template)["image"] for _, template in pods(built)}
    (image,) = images
    assert image.rpartition("/")[2] == f"partidor:{version}"
