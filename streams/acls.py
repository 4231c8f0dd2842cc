"""Who may do what in Kafka and in Redis: one table of roles that commands and documents read.

In: the settings, and who plays which role. Out: rules for Kafka's authorizer, users for Redis.
Nothing here asks a server; `streams.acl_admin` writes the rules.

- Least privilege: a rule stands here for something that a command or process of the role does. A
  test on a secured broker tries everything as everybody, and what isn't here is refused.
- Read and Write bring Describe with them in Kafka, so that isn't said again. Brokers since 2.8
  need no IdempotentWrite of who may write to a topic.
- Nobody gets Alter on the cluster: who could change the rules could give himself all of them. An
  administrator of the cluster writes them, once.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from streams.failure import WrongUsage
from streams.settings import Settings


class Role(Enum):
    """Who talks to Kafka, each with credentials of its own; the text says what for."""

    SOURCE = "source"
    DISPATCHER = "dispatcher"
    TELEPHONY = "telephony"
    SUPERVISOR = "supervisor"
    VIEWS = "views"
    OPERATOR = "operator"
    MAINTAINER = "maintainer"


MEANINGS: Final[Mapping[Role, str]] = {
    Role.SOURCE: "sends lead batches (`partidor publish` of leads, any producer)",
    Role.DISPATCHER: "`partidor run`",
    Role.TELEPHONY: "receives assignments, says what became of leads",
    Role.SUPERVISOR: "changes rosters, corrects, assigns by hand (`partidor roster`, `outcome`)",
    Role.VIEWS: "watches: `partidor views`, `lag --serve`",
    Role.OPERATOR: "creates and checks topics; `lag`, `show`, `watch`, `explain`, `statement`, "
    "`dead-letters`, `what-if`, `plan publish`, `plan follow`, and whatever sources and supervisors "
    "do",
    Role.MAINTAINER: "now and then, by hand: `topics expand`, `verify`, `export`, `forget`",
}


class Rule(NamedTuple):
    """What a role is allowed on one thing.

    Attributes:
        kind: "topic", "group", "transactional id" or "cluster".
        name: of the thing; with `prefixed` what its name begins with.
        operations: Kafka's words.
    """

    role: Role
    kind: str
    name: str
    prefixed: bool
    operations: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The name as people write it, `partidor-*` for a prefix."""
        return f"{self.name}*" if self.prefixed else self.name


CLUSTER: Final = "kafka-cluster"
"""What Kafka calls the one cluster there is."""

TELEPHONY_GROUPS: Final = "telephony"
"""What the names of consumer groups of telephony systems begin with, unless it is said."""


def rules(settings: Settings, telephony_groups: str = TELEPHONY_GROUPS) -> Iterator[Rule]:
    """Every rule, role by role."""
    topics, application = settings.topics, settings.application_id
    outputs = (topics.assignments, topics.decisions, topics.dead_letters)
    asking = f"{application}-cli"
    yield from _topics(Role.SOURCE, (topics.lead_batches,), "Write")

    role = Role.DISPATCHER
    # Inputs are written, too: what goes to another channel, and what belongs to another partition
    # since the topics were expanded (R16).
    restored = (topics.changelog, topics.register)
    yield from _topics(role, (*topics.inputs, *restored), "Read", "Write", "DescribeConfigs")
    yield from _topics(role, outputs, "Write", "DescribeConfigs")
    yield Rule(role, "group", application, False, ("Read",))
    yield Rule(role, "group", f"{application}-restore", False, ("Describe",))
    yield Rule(role, "transactional id", f"{application}-", True, ("Write",))

    role = Role.TELEPHONY
    yield from _topics(role, (topics.assignments,), "Read")
    yield from _topics(role, (topics.lead_outcomes,), "Write")
    yield Rule(role, "group", telephony_groups, True, ("Read",))

    yield from _topics(Role.SUPERVISOR, topics.inputs[1:], "Write")

    role = Role.VIEWS
    # The changelog says which partitions there were before an expansion.
    yield from _topics(role, (*topics.inputs, *outputs, topics.changelog), "Read")
    # Whether a transaction stays open is told of every topic.
    yield from _topics(role, (topics.register,), "Describe")
    yield Rule(role, "group", f"{application}-views", False, ("Read",))
    yield Rule(role, "group", application, False, ("Describe",))
    yield Rule(role, "group", asking, False, ("Describe",))

    role = Role.OPERATOR
    yield from _topics(role, topics.inputs, "Create", "Read", "Write", "DescribeConfigs")
    yield from _topics(role, (*outputs, topics.changelog), "Create", "Read", "DescribeConfigs")
    # Whose leads somebody's were is nobody's business here.
    yield from _topics(role, (topics.register,), "Create", "Describe", "DescribeConfigs")
    yield Rule(role, "group", application, False, ("Describe",))
    yield Rule(role, "group", asking, False, ("Describe",))
    yield Rule(role, "cluster", CLUSTER, False, ("Describe", "DescribeConfigs"))

    yield from _of_maintainer(settings, asking)


def _of_maintainer(settings: Settings, asking: str) -> Iterator[Rule]:
    """`forget` asks how long topics keep records, sends an outcome, and reads the register."""
    role, topics, application = Role.MAINTAINER, settings.topics, settings.application_id
    told = ("Read", "Alter", "DescribeConfigs")
    yield from _topics(role, (*topics.inputs[:-1], topics.assignments), *told)
    yield from _topics(role, (topics.lead_outcomes,), "Read", "Write", "Alter", "DescribeConfigs")
    yield from _topics(role, (topics.decisions,), "Read", "Alter")
    yield from _topics(role, (topics.dead_letters,), "Read", "DescribeConfigs")
    moved = (topics.changelog, topics.register)
    yield from _topics(role, moved, "Read", "Write", "Alter", "DescribeConfigs")
    yield Rule(role, "group", application, False, ("Describe",))
    yield Rule(role, "group", asking, False, ("Describe",))
    yield Rule(role, "transactional id", settings.expansion_id, False, ("Write",))


def _topics(role: Role, names: Sequence[str], *operations: str) -> Iterator[Rule]:
    for name in names:
        yield Rule(role, "topic", name, False, operations)


def principals(given: Sequence[str], application_id: str) -> dict[Role, list[str]]:
    """Who plays each role, from `ROLE=PRINCIPAL`. Raises WrongUsage.

    Without any: for each role `User:<application id>-<role>`. With some: those, and no others.
    """
    if not given:
        return {role: [f"User:{application_id}-{role.value}"] for role in Role}
    found: dict[Role, list[str]] = {}
    for text in given:
        name, _, principal = text.partition("=")
        kind, _, who = principal.partition(":")
        if name not in [role.value for role in Role]:
            known = ", ".join(role.value for role in Role)
            raise WrongUsage(f"--principal {text}: a role is one of {known}")
        if not kind or not who or who == "*":
            raise WrongUsage(f"--principal {text}: it is ROLE=User:NAME, as in source=User:crm")
        found.setdefault(Role(name), []).append(principal)
    return found


class RedisUser(NamedTuple):
    """A user of Redis.

    Attributes:
        keys: pattern of those that it may touch.
        commands: as `ACL SETUSER` takes them.
    """

    name: str
    used_by: str
    keys: str
    commands: tuple[str, ...]

    @property
    def line(self) -> str:
        """The command that makes the user, or makes it what it should be; passwords stay."""
        commands = " ".join(f"+{command}" for command in self.commands)
        return f"ACL SETUSER {self.name} on resetkeys ~{self.keys} resetchannels -@all {commands}"


# Of the connection itself. What clients tell of themselves (CLIENT SETINFO) may be refused: older
# servers do not know it, and nobody minds.
_CONNECTION: Final = ("auth", "hello", "ping", "select")


def redis_users(settings: Settings) -> tuple[RedisUser, ...]:
    """The users, and everything that they do in Redis."""
    application = settings.application_id
    keys = f"partidor:{application}:*"
    return (
        RedisUser(
            f"{application}-dispatcher",
            "`partidor run`",
            keys,
            (
                *_CONNECTION,
                *("config|get", "eval", "hget", "hmget", "hscan", "hset", "hdel", "mget", "set"),
                *("multi", "exec", "unlink", "pexpire", "persist", "rename"),
            ),
        ),
        RedisUser(
            f"{application}-reader",
            "`partidor views`, `show`, `lag`, `verify`, `forget`, `plan publish`, `plan follow`",
            keys,
            (*_CONNECTION, "hget", "hmget", "hscan", "mget", "scan"),
        ),
    )
