"""A secured Kafka: each role can do what it is for, nobody can do more, and a refusal says why."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AclBindingFilter

from schemas.partitioning import partition_of
from streams.acl_admin import Grant, ensure_acls, grants
from streams.acls import MEANINGS, Role, Rule, principals, rules
from streams.kafka_clients import admin_client
from streams.local.ports import free_ports
from streams.metrics.table import OPEN_TRANSACTION
from streams.settings import Settings
from streams.topic_admin import ensure_topics
from tests.reference import events
from tests.support.dispatchers import CODE, DispatcherProcess
from tests.support.installation import QUICK
from tests.support.metrics import Exposed
from tests.support.privileges import Outcomes, tried
from tests.support.secured import ADMINISTRATOR, Secured, redis_with_tls
from tests.support.transcripts import Shell, blocks, matches, transcript
from tests.support.waiting import wait_until
from tests.views_process import ViewsProcess

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "deploy" / "security.md"
ARTEFACTS = ROOT / "artefacts"
TELEPHONY_GROUP = "telephony-of-the-test"
PARTIDOR = "import sys; from streams.cli import main; sys.exit(main())"
BEFORE, AFTER = 2, 4
ONE = {
    "PARTIDOR_REPLICATION_FACTOR": "1",
    "PARTIDOR_MIN_INSYNC_REPLICAS": "1",
    "PARTIDOR_PARTITIONS": str(BEFORE),
}
WRONG_WITHIN_S = 20.0
STOPS_WITHIN_S = 15.0
BEGIN, END = "<!-- tried -->\n", "<!-- end of tried -->"


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    """Kafka with two ways in, and a Redis with TLS where one is installed."""
    with Secured(redis_with_tls()) as servers:
        servers.kafka.add_users({role.value: password_of(role) for role in Role})
        yield servers


def password_of(role: Role) -> str:
    """Of the role's user; with everything in it that needs care."""
    return f"{role.value}'s p@ss:wörd/%"


class Application:
    """Settings of an application of its own, for each role."""

    def __init__(self, secured: Secured, redis_url: str, directory: Path) -> None:
        self.name = f"secured-{uuid.uuid4().hex[:8]}"
        self._secured = secured
        self._redis_url = redis_url
        self._directory = directory

    def settings(self, kafka: Mapping[str, str]) -> Settings:
        """Of a process that signs in so."""
        return Settings(
            application_id=self.name,
            topic_prefix=f"{self.name}.",
            kafka=dict(kafka),
            partitions=2,
            replication_factor=1,
            min_insync_replicas=1,
        )

    def as_administrator(self) -> dict[str, str]:
        """The environment of who may do everything."""
        return self._environment(self._secured.kafka.by_certificate(ADMINISTRATOR))

    def as_role(self, role: Role) -> dict[str, str]:
        """The environment of a role; its password stands in a file."""
        file = self._directory / role.value
        file.write_text(password_of(role) + "\n")
        kafka = self._secured.kafka.by_password(role.value, "")
        del kafka["sasl.password"]
        return self._environment({**kafka, "sasl.password.file": str(file)})

    def _environment(self, kafka: Mapping[str, str]) -> dict[str, str]:
        properties = {
            f"PARTIDOR_KAFKA__{name.upper().replace('.', '_')}": v for name, v in kafka.items()
        }
        return {
            **ONE,
            "PARTIDOR_APPLICATION_ID": self.name,
            "PARTIDOR_TOPIC_PREFIX": f"{self.name}.",
            "PARTIDOR_REDIS_URL": self._redis_url,
            **properties,
        }


@pytest.fixture
def application(secured: Secured, redis_url: str, tmp_path: Path) -> Application:
    """Nobody else's."""
    return Application(secured, redis_url, tmp_path)


def partidor(
    environment: Mapping[str, str], *arguments: str, timeout_s: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """A command as a process of its own; one that doesn't end fails the test."""
    return subprocess.run(
        [sys.executable, "-c", PARTIDOR, *arguments],
        env={**os.environ, "PYTHONPATH": CODE, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def done(environment: Mapping[str, str], *arguments: str) -> str:
    """What it printed; it has to succeed."""
    result = partidor(environment, *arguments)
    assert result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


# -- everything, tried by everybody


def expected(own: list[Rule], settings: Settings, what: str) -> bool:
    """Whether the role's rules say that an action is allowed."""
    allowed = {(r.kind, operation): r for r in own for operation in r.operations}
    on_topics = {
        (operation, r.name) for r in own if r.kind == "topic" for operation in r.operations
    }
    groups = [r for r in own if r.kind == "group"]
    names = [name for name, _ in settings.topics.table()]
    if what.startswith("read as group "):
        group = what.removeprefix("read as group ")
        return any("Read" in r.operations and covers(r, group) for r in groups)
    if what.startswith(("write ", "read ")):
        word, _, name = what.partition(" ")
        return (word.capitalize(), name) in on_topics
    if what.startswith("transactions as "):
        rule = allowed.get(("transactional id", "Write"))
        return rule is not None and covers(rule, what.removeprefix("transactions as "))
    if what == "create the topics":
        return all(("Create", name) in on_topics for name in names)
    if what == "look at settings of all topics":
        return all(("DescribeConfigs", name) in on_topics for name in names)
    if what.startswith("add partitions to "):
        return ("Alter", what.removeprefix("add partitions to ")) in on_topics
    if what == "look at the dispatchers' group":
        return any(r.name == settings.application_id for r in groups)
    return False  # the rest is nobody's but the administrator's


def covers(rule: Rule, name: str) -> bool:
    """Whether the rule is about a thing of this name."""
    return name.startswith(rule.name) if rule.prefixed else name == rule.name


def table(found: Mapping[Role, Outcomes], settings: Settings) -> str:
    """What was tried, as the document shows it: names without what makes them the test's own."""
    roles = list(found)
    lines = ["| tried | " + " | ".join(role.value for role in roles) + " |"]
    lines.append("|---" * (1 + len(roles)) + "|")
    for what in found[roles[0]]:
        shown = what.replace(settings.topic_prefix, "").replace(settings.application_id, "partidor")
        cells = ["allowed" if found[role][what] else "refused" for role in roles]
        lines.append(f"| {shown.replace(TELEPHONY_GROUP, 'telephony')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_everybody_can_do_what_the_table_of_roles_says_and_nothing_else(
    application: Application, secured: Secured, say: Callable[[str], None]
) -> None:
    """Every action on every topic, group and transactional id, as everybody, on a real broker."""
    settings = application.settings(secured.kafka.by_certificate(ADMINISTRATOR))
    admin = admin_client(settings)
    ensure_topics(admin, settings)
    who = principals([f"{role.value}=User:{role.value}" for role in Role], application.name)
    wanted = list(grants(list(rules(settings)), who))
    assert ensure_acls(admin, settings, wanted) == wanted
    assert ensure_acls(admin, settings, wanted) == []
    found: dict[Role, Outcomes] = {}
    for role in Role:
        own = [rule for rule in rules(settings) if rule.role is role]
        readable = [r.name for r in own if r.kind == "topic" and "Read" in r.operations]
        own_topic = readable[0] if readable else settings.topics.lead_batches
        properties = secured.kafka.by_password(role.value, password_of(role))
        found[role] = tried(properties, settings, TELEPHONY_GROUP, own_topic)
        for what, allowed in found[role].items():
            assert allowed is expected(own, settings, what), f"{role.value}: {what}: {allowed}"
    text = table(found, settings)
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / "security.md").write_text(text)
    attempts = sum(len(outcomes) for outcomes in found.values())
    allowed = sum(sum(outcomes.values()) for outcomes in found.values())
    say(f"security: {attempts} attempts by {len(found)} roles: {allowed} allowed, as the rules say")
    document = DOCUMENT.read_text()
    in_document = document.partition(BEGIN)[2].partition(END)[0]
    assert in_document == text, "deploy/security.md: put artefacts/security.md between its markers"


# -- the whole of it, by the real commands and processes


def test_every_role_does_its_work_with_the_real_commands(
    application: Application, secured: Secured, tmp_path: Path
) -> None:
    """From the topics to the views; the lead source signs in by certificate, all others by name."""
    names = [f"--principal={role.value}=User:{role.value}" for role in Role]
    create = ("topics", "create", "--acls", "--principal=source=User:crm", *names)
    made = done(application.as_administrator(), *create)
    assert "ACL User:crm Write topic" in made
    again = done(application.as_administrator(), *create)
    assert "created" not in again
    assert again.count("was there already") == len(made.splitlines())
    team, leads = tmp_path / "team.csv", tmp_path / "leads.csv"
    team.write_text("assignee_id,weight\nA,0.8\nB,1\nC,1.2\n")
    leads.write_text("lead_id\n" + "".join(f"L{n}\n" for n in range(100)))
    supervisor, operator = application.as_role(Role.SUPERVISOR), application.as_role(Role.OPERATOR)
    done(supervisor, "roster", "replace", "web", str(team))
    by_certificate = application._environment(secured.kafka.by_certificate("crm"))
    assert "100 leads" in done(by_certificate, "publish", str(leads), "--channel", "web")
    dispatcher = DispatcherProcess(
        "0", {**QUICK, **application.as_role(Role.DISPATCHER)}, tmp_path / "dispatcher.log"
    )
    views = ViewsProcess(
        {"PYTHONPATH": CODE, **application.as_role(Role.VIEWS), "XDG_STATE_HOME": str(tmp_path)},
        tmp_path / "views.log",
    )
    try:
        assert received(application, secured, 100) == 100
        done(application.as_role(Role.TELEPHONY), "outcome", "closed", "web", "L1", "--by", "A")
        done(supervisor, "roster", "leave", "web", "nobody")
        wait_until(
            lambda: "not_a_member" in done(operator, "dead-letters", "list"), "a dead letter", 30
        )
        assert "1 sent again" in done(operator, "dead-letters", "retry", "--all")
        assert "100" in done(operator, "show", "web", "--json")
        done(operator, "lag", "--max", "100")
        done(operator, "topics", "check")
        done(operator, "topics", "create")
        done(operator, "watch", "--from-beginning", "--max", "1", "--timeout", "30")
        assert "Checked" in done(operator, "explain", "L1")
        done(operator, "statement", "A", "--channel", "web")
        views.ready()
        assert views.standings("web").status == 200
        assert views.get("/api/leads/L1").status == 200
        operations = views.until(
            "/api/operations", lambda a: bool(a.body and a.body["lag"]["rows"])
        ).body
        assert operations["lag"]["error"] is None
        assert views.stop() == 0
        assert dispatcher.stop() == 0, dispatcher.log_tail()
    finally:
        for process in (views, dispatcher):
            process.kill()


def received(application: Application, secured: Secured, count: int) -> int:
    """How many assignments a telephony system read, in a group of its own, by its own rights."""
    properties = secured.kafka.by_password("telephony", password_of(Role.TELEPHONY))
    consumer = Consumer(
        {
            **properties,
            "group.id": TELEPHONY_GROUP + application.name,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([f"{application.name}.leads.assignments"])
    seen: set[str] = set()

    def enough() -> bool:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            seen.add(json.loads(message.value() or b"")["assignment_id"])
            consumer.commit(message)
        return len(seen) >= count

    try:
        wait_until(enough, lambda: f"{len(seen)} assignments", 60)
    finally:
        consumer.close()
    return len(seen)


# -- what is done now and then, and after it


def moving_channel() -> str:
    """One whose key hashes elsewhere once there are twice as many partitions."""
    names = (f"mover-{number}" for number in count())
    return next(name for name in names if len(places_of(name)) == 2)


def places_of(channel: str) -> set[int]:
    """Its partitions, before an expansion and after it."""
    return {partition_of(channel.encode(), partitions) for partitions in (BEFORE, AFTER)}


def one_line(result: "subprocess.CompletedProcess[str]") -> str:
    """What a command that was refused said."""
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    assert result.returncode == 1, lines
    assert len(lines) == 1, lines
    return lines[0]


@contextmanager
def dispatching(application: Application, log_path: Path) -> Iterator[DispatcherProcess]:
    """A dispatcher with its own rights, to the end of what is sent meanwhile."""
    environment = {**QUICK, **application.as_role(Role.DISPATCHER)}
    dispatcher = DispatcherProcess("0", environment, log_path)
    try:
        yield dispatcher
        wait_until(lambda: is_done(application), dispatcher.log_tail)
        assert dispatcher.stop() == 0, dispatcher.log_tail()
    finally:
        dispatcher.kill()


def is_done(application: Application) -> bool:
    """Whether nothing waits for a dispatcher any more."""
    return partidor(application.as_role(Role.OPERATOR), "lag", "--max", "0").returncode == 0


def asked_for(application: Application, channel: str) -> None:
    """An operator sees why, whether the channel moved or not."""
    operator = application.as_role(Role.OPERATOR)
    assert "Checked" in done(operator, "explain", "L2", "--channel", channel)
    done(operator, "statement", "A", "--channel", channel)
    watch = ("watch", "--from-beginning", "--channel", channel, "--max", "20", "--timeout", "30")
    assert "L0" in done(operator, *watch, "--json")
    assert '"scenarios"' in done(operator, "what-if", "--channel", channel, "--json")


def maintained(application: Application, channel: str, directory: Path) -> None:
    """The maintainer verifies, exports and forgets while a dispatcher runs; nobody else forgets."""
    maintainer, operator = application.as_role(Role.MAINTAINER), application.as_role(Role.OPERATOR)
    wait_until(lambda: is_done(application), "all is dispatched")
    refused = one_line(partidor(operator, "forget", "L1"))
    assert f"can't read {application.name}.dispatch.register: " in refused
    assert "partidor acls kafka" in refused
    assert json.loads(done(maintainer, "verify", "--json"))["sound"]
    exported = str(directory / "exported")
    done(maintainer, "export", exported)
    assert "whole and unchanged" in done(maintainer, "export", exported, "--check")
    found = json.loads(done(maintainer, "forget", "L1", "--reason", "asked for", "--json"))
    assert found["events_sent"] == 1
    assert found["live"]["nothing"]
    assert found["live"]["in_redis"] == {}
    assert f"{application.name}.leads.batches" in {each["topic"] for each in found["on_logs"]}


def expanded(application: Application) -> None:
    """The maintainer may, an operator may look how far it would go, and changes nothing."""
    maintainer, operator = application.as_role(Role.MAINTAINER), application.as_role(Role.OPERATOR)
    command = ("topics", "expand", "--partitions", str(AFTER))
    assert "1 of 1 channels would move" in done(operator, *command, "--dry-run")
    refused = one_line(partidor(operator, *command))
    assert f"can't add partitions to {application.name}.dispatch.changelog: " in refused
    assert "partidor acls kafka" in refused
    assert "1 of 1 channels moved" in done(maintainer, *command)
    assert "nothing to do" in done(maintainer, *command)


def send_where_it_was(application: Application, secured: Secured, channel: str) -> None:
    """As a lead source, a supervisor and a telephony system that haven't heard of an expansion."""
    topics = application.settings({}).topics
    left = {"outcome_id": "o", "lead_id": "L2", "assignee_id": "A", "type": "lead_closed"}
    outcome = {**left, "schema_version": 1, "channel": channel, "created_at": events.CREATED_AT}
    late = events.lead_batch("late", ["late-1", "late-2"], channel)
    joined = events.change("assignee_joined", "j", channel, assignee_id="D", weight="1")
    for role, topic, event in (
        (Role.SUPERVISOR, topics.roster_changes, joined),
        (Role.SOURCE, topics.lead_batches, late),
        (Role.TELEPHONY, topics.lead_outcomes, outcome),
    ):
        producer = Producer(secured.kafka.by_password(role.value, password_of(role)))
        partition = partition_of(channel.encode(), BEFORE)
        producer.produce(topic, json.dumps(event).encode(), channel.encode(), partition)
        assert producer.flush(30) == 0


def check_old_rights(application: Application, secured: Secured, log_path: Path) -> None:
    """A dispatcher that may not send changes on, as none might before, stops and says so."""
    settings = application.settings(secured.kafka.by_certificate(ADMINISTRATOR))
    topic, admin = settings.topics.roster_changes, admin_client(settings)
    write = next(
        grant
        for grant in grants(list(rules(settings)), {Role.DISPATCHER: ["User:dispatcher"]})
        if (grant.rule.name, grant.operation) == (topic, "Write")
    )
    (taken,) = admin.delete_acls([acl_filter(write)]).values()
    assert len(taken.result(30)) == 1
    environment = {**QUICK, **application.as_role(Role.DISPATCHER)}
    dispatcher = DispatcherProcess("0", environment, log_path)
    try:
        assert dispatcher.wait(STOPS_WITHIN_S) == 1
    finally:
        dispatcher.kill()
    told = dispatcher.log("stopped")
    assert any("acls kafka" in str(line.get("why")) for line in told), told
    assert ensure_acls(admin, settings, [write]) == [write]


def acl_filter(grant: Grant) -> AclBindingFilter:
    """What names the rule and no other."""
    rule = grant.binding
    return AclBindingFilter(
        rule.restype, rule.name, rule.resource_pattern_type, rule.principal, rule.host,
        rule.operation, rule.permission_type,
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_topics_are_maintained_and_expanded_and_everybody_goes_on(
    application: Application, secured: Secured, tmp_path: Path
) -> None:
    """All with their own rights; what comes to where a channel was, on any input, is sent on."""
    names = [f"--principal={role.value}=User:{role.value}" for role in Role]
    done(application.as_administrator(), "topics", "create", "--acls", *names)
    channel, supervisor = moving_channel(), application.as_role(Role.SUPERVISOR)
    team, leads = tmp_path / "team.csv", tmp_path / "leads.csv"
    team.write_text("assignee_id,weight\nA,0.8\nB,1\nC,1.2\n")
    leads.write_text("lead_id,phone\n" + "".join(f"L{n},+61 3 5550 {n:04}\n" for n in range(20)))
    done(supervisor, "roster", "replace", channel, str(team))
    done(supervisor, "roster", "configure", channel, "--sticky-by", "phone")
    source = application.as_role(Role.SOURCE)
    done(source, "publish", str(leads), "--channel", channel, "--batch-id", "first")
    with dispatching(application, tmp_path / "before.log"):
        maintained(application, channel, tmp_path)
    asked_for(application, channel)
    expanded(application)
    send_where_it_was(application, secured, channel)
    check_old_rights(application, secured, tmp_path / "old.log")
    with dispatching(application, tmp_path / "after.log"):
        pass
    operator = application.as_role(Role.OPERATOR)
    shown = json.loads(done(operator, "show", channel, "--json"))
    assert '"D"' in json.dumps(shown)
    assert "late-2" in done(operator, "explain", "late-2", "--channel", channel)
    assert json.loads(done(operator, "dead-letters", "list", "--json") or "[]") == []
    assert json.loads(done(application.as_role(Role.MAINTAINER), "verify", "--json"))["sound"]
    asked_for(application, channel)
    check_views(application, channel, tmp_path)


def check_views(application: Application, channel: str, directory: Path) -> None:
    """The views have the channel's decisions of before its move, and `lag --serve` every topic."""
    own = application.as_role(Role.VIEWS)
    environment = {"PYTHONPATH": CODE, **own, "XDG_STATE_HOME": str(directory)}
    with ViewsProcess(environment, directory / "views.log") as views:
        views.ready()
        page = views.get(f"/api/channels/{channel}/decisions?limit=1000").body["decisions"]
        versions = [each["state_version"] for each in page]
        assert versions == list(range(versions[0], 0, -1))
        assert "as if the topics had never been expanded" not in views.log
    (port,) = free_ports(1)
    environment = {**own, "PARTIDOR_METRICS_PORT": str(port)}
    command = ("lag", "--serve", "--every", "0.5")
    server = DispatcherProcess("lag", environment, directory / "lag.log", command)
    seen = Exposed(port)
    try:
        wait_until(lambda: seen.ask("/readyz")[0] == 200, server.log_tail)
        samples = list(seen.samples())
        assert seen.value("kafka_consumergroup_lag") == 0
        watched = {has["topic"] for name, has, _ in samples if name == OPEN_TRANSACTION.name}
        assert watched == {name for name, _ in application.settings({}).topics.table()}
        assert server.stop() == 0
    finally:
        server.kill()


# -- refusals in one line


def wrong_ways(secured: Secured, tmp_path: Path) -> dict[str, tuple[dict[str, str], str]]:
    """Properties that don't get in, each with what has to be said."""
    kafka, authority = secured.kafka, secured.authority
    good = kafka.by_password("source", password_of(Role.SOURCE))
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other = type(authority)(stranger)
    expired, expired_key = authority.certificate("expired", expired=True)
    without = {
        name: value
        for name, value in kafka.by_certificate("source").items()
        if not name.startswith(("ssl.certificate", "ssl.key"))
    }
    return {
        "a wrong password": ({**good, "sasl.password": "wrong"}, "SASL_PASSWORD"),
        "an unknown authority": ({**good, "ssl.ca.location": str(other.ca)}, "SSL_CA_LOCATION"),
        "no file of the authority": ({**good, "ssl.ca.location": "/nowhere"}, "ssl.ca.location"),
        "no client certificate": (without, "SSL_CERTIFICATE_LOCATION"),
        "an expired client certificate": (
            {
                **without,
                "ssl.certificate.location": str(expired),
                "ssl.key.location": str(expired_key),
            },
            "SSL_CERTIFICATE_LOCATION",
        ),
    }


WAYS = (
    "a wrong password",
    "an unknown authority",
    "no file of the authority",
    "no client certificate",
    "an expired client certificate",
)


@pytest.mark.parametrize(
    ("command", "way"),
    [("views", WAYS[0]), *((command, way) for command in ("topics check", "run") for way in WAYS)],
)
def test_who_does_not_get_in_is_told_in_one_line_what_to_look_at(
    application: Application, secured: Secured, tmp_path: Path, way: str, command: str
) -> None:
    """Soon, without a stack trace, and without the password."""
    properties, hint = wrong_ways(secured, tmp_path)[way]
    environment = application._environment(properties)
    result = partidor(environment, *command.split(), timeout_s=WRONG_WITHIN_S)
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    assert result.returncode in (1, 2)
    assert len(lines) == 1, lines
    assert hint in lines[0]
    assert "Traceback" not in lines[0]
    assert password_of(Role.SOURCE) not in lines[0]


def test_what_is_not_allowed_names_the_command_that_lists_what_is(
    application: Application, tmp_path: Path
) -> None:
    """From a command and from the dispatcher, which doesn't wait for it to change."""
    names = [f"--principal={role.value}=User:{role.value}" for role in Role]
    done(application.as_administrator(), "topics", "create", "--acls", *names)
    for role, command in (
        (Role.SOURCE, "lag"),
        (Role.SOURCE, "roster leave web A"),
        (Role.TELEPHONY, "dead-letters list"),
        (Role.SUPERVISOR, "run"),
        (Role.OPERATOR, "run"),
        (Role.SOURCE, "topics create --acls"),
        (Role.OPERATOR, "topics create --acls"),
    ):
        result = partidor(application.as_role(role), *command.split(), timeout_s=30)
        assert result.returncode == 1, (role, command, result)
        lines = [line for line in result.stderr.splitlines() if " info " not in line]
        assert "partidor acls kafka" in lines[-1], (role, command, lines)
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("kind", "name", "operation"),
    [
        ("group", "", "Read"),
        ("topic", ".leads.assignments", "Write"),
        ("topic", ".roster.changes", "Read"),
    ],
)
def test_a_dispatcher_that_lacks_one_right_stops_and_says_which(
    application: Application,
    secured: Secured,
    tmp_path: Path,
    kind: str,
    name: str,
    operation: str,
) -> None:
    """It neither hangs nor tries for ever, wherever on its way the right is asked for."""
    settings = application.settings(secured.kafka.by_certificate(ADMINISTRATOR))
    admin = admin_client(settings)
    ensure_topics(admin, settings)
    who = {Role.DISPATCHER: ["User:dispatcher"], Role.SOURCE: ["User:source"]}
    wanted = [
        grant
        for grant in grants(list(rules(settings)), who)
        if (grant.rule.role, grant.rule.kind, grant.rule.name, grant.operation)
        != (Role.DISPATCHER, kind, application.name + name, operation)
    ]
    # What it may not do it may still see, as Read and Write would have let it.
    seen = Rule(Role.DISPATCHER, kind, application.name + name, False, ("Describe",))
    ensure_acls(admin, settings, [*wanted, Grant("User:dispatcher", "Describe", seen)])
    team, leads = tmp_path / "team.csv", tmp_path / "leads.csv"
    team.write_text("assignee_id,weight\nA,1\n")
    leads.write_text("lead_id\nL1\n")
    done(application.as_administrator(), "roster", "replace", "web", str(team))
    done(application.as_administrator(), "publish", str(leads), "--channel", "web")
    environment = {**QUICK, **application.as_role(Role.DISPATCHER)}
    dispatcher = DispatcherProcess("0", environment, tmp_path / "dispatcher.log")
    try:
        assert dispatcher.wait(STOPS_WITHIN_S) == 1
    finally:
        dispatcher.kill()
    told = dispatcher.log("cannot start") + dispatcher.log("stopped")
    assert any("acls kafka" in str(line.get("why")) for line in told), told
    assert "Traceback" not in dispatcher.log_path.read_text()


# -- the document


@pytest.mark.timeout(300)
def test_every_command_in_the_document_does_what_it_says(
    secured: Secured, tmp_path: Path, left_out: Callable[[str, str], NoReturn]
) -> None:
    """As a newcomer would, with a Kafka and a Redis of their own."""
    if secured.redis is None:
        left_out("no redis-server with TLS", "install redis-server (Debian: redis-server)")
    programs = tmp_path / "programs"
    programs.mkdir()
    # The code under test by its name, and the redis-cli that knows TLS.
    (programs / "partidor").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PARTIDOR}" "$@"\n')
    (programs / "partidor").chmod(0o755)
    (programs / "redis-cli").symlink_to("/usr/bin/redis-cli")
    stand_in(secured, tmp_path)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARTIDOR_")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": CODE,
        "COLUMNS": "120",
        "PARTIDOR_PARTITIONS": "2",
    }

    def here(text: str) -> str:
        assert secured.redis is not None
        text = text.replace("localhost:9094", secured.kafka.with_certificate)
        text = text.replace("localhost:9093", secured.kafka.with_password)
        return text.replace("localhost:6380", f"localhost:{secured.redis.port}").replace(
            "-p 6380", f"-p {secured.redis.port}"
        )

    shell = Shell(tmp_path, environment)
    said: list[str] = []
    try:
        for block in blocks(DOCUMENT):
            if block.language != "console":
                continue
            for command, wanted in transcript(block):
                status, printed = shell.run(here(command))
                shown = "\n".join(printed)
                said += [f"$ {command}", *printed]
                where = f"{DOCUMENT.name} line {block.line_number}: {command}"
                assert status == 0, f"{where}\nexit status {status}\n{shown}"
                assert not wanted or matches(wanted, printed), f"{where}\n{shown}"
    finally:
        ARTEFACTS.mkdir(exist_ok=True)
        (ARTEFACTS / "security-newcomer.txt").write_text("\n".join(said) + "\n")
        shell.close()


def stand_in(secured: Secured, directory: Path) -> None:
    """What the reader of the document has: certificates, and users that can sign in."""
    (directory / "ca.pem").write_bytes(secured.authority.ca.read_bytes())
    for name in (ADMINISTRATOR, "client"):
        certificate, key = secured.authority.certificate(name)
        (directory / f"{name}.pem").write_bytes(certificate.read_bytes())
        (directory / f"{name}.key").write_bytes(key.read_bytes())
    (directory / "secrets").mkdir()
    for role in Role:
        (directory / "secrets" / role.value).write_text(password_of(role) + "\n")
    (directory / "secrets" / "redis-administrator").write_text("0nly-for-tests\n")


def test_every_role_has_a_meaning() -> None:
    """The table in the README is made of them."""
    assert list(MEANINGS) == list(Role)
