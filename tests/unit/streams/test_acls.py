"""The table of roles: nobody has more than the role needs, and who plays it is said clearly."""

import pytest

from streams.acl_admin import grants
from streams.acls import Role, principals, redis_users, rules
from streams.failure import WrongUsage
from streams.settings import Settings


def test_nobody_may_delete_anything_or_change_settings() -> None:
    """That is the administrator's."""
    words = {operation for rule in rules(Settings()) for operation in rule.operations}
    assert words == {"Read", "Write", "Describe", "DescribeConfigs", "Create", "Alter"}


def test_partitions_are_added_by_the_maintainer_alone_where_keys_depend_on_their_number() -> None:
    """Under a transactional id that no dispatcher may use; only dispatchers write beside."""
    settings = Settings(application_id="eu", topic_prefix="eu.")
    able = [rule for rule in rules(settings) if "Alter" in rule.operations]
    assert {rule.role for rule in able} == {Role.MAINTAINER}
    copartitioned = {name for name, topic in settings.topics.table() if topic.copartitioned}
    assert {rule.name for rule in able} == copartitioned
    ids = {(rule.role, rule.pattern) for rule in rules(settings) if rule.kind == "transactional id"}
    assert ids == {(Role.DISPATCHER, "eu-*"), (Role.MAINTAINER, "eu.expand")}
    read = {
        rule.role
        for rule in rules(settings)
        if rule.name == settings.topics.register and "Read" in rule.operations
    }
    assert read == {Role.DISPATCHER, Role.MAINTAINER}


def test_outputs_are_written_by_dispatchers_alone() -> None:
    """But states, which a maintainer moves; and sources write batches and nothing else."""
    settings = Settings(topic_prefix="eu.")
    writers: dict[str, set[Role]] = {}
    for rule in rules(settings):
        if rule.kind == "topic" and "Write" in rule.operations:
            writers.setdefault(rule.name, set()).add(rule.role)
    for name, topic in settings.topics.table():
        if topic.holds_outputs:
            moved = name in (settings.topics.changelog, settings.topics.register)
            assert writers[name] == {Role.DISPATCHER, *([Role.MAINTAINER] if moved else [])}
    of_source = [rule for rule in rules(settings) if rule.role is Role.SOURCE]
    assert [(rule.name, rule.operations) for rule in of_source] == [
        ("eu.leads.batches", ("Write",))
    ]


def test_who_plays_a_role_is_said_or_follows_from_the_application() -> None:
    """With some given, roles without anybody get nothing."""
    assert principals([], "eu")[Role.SOURCE] == ["User:eu-source"]
    given = ["source=User:crm", "source=User:CN=web,O=x", "views=User:crm"]
    found = principals(given, "eu")
    assert found == {Role.SOURCE: ["User:crm", "User:CN=web,O=x"], Role.VIEWS: ["User:crm"]}
    made = list(grants(list(rules(Settings())), found))
    assert {grant.principal for grant in made} == {"User:crm", "User:CN=web,O=x"}
    assert len({grant.binding for grant in made}) == len(made)


@pytest.mark.parametrize(
    "text", ["crm", "boss=User:x", "source=crm", "source=User:", "source=User:*"]
)
def test_a_principal_that_makes_no_sense_is_refused(text: str) -> None:
    """Everybody, too: that would be no role."""
    with pytest.raises(WrongUsage, match="--principal"):
        principals([text], "eu")


def test_users_of_redis_get_at_one_application_and_at_no_dangerous_command() -> None:
    """The reader at none that writes."""
    dispatcher, reader = redis_users(Settings(application_id="eu"))
    for user in (dispatcher, reader):
        assert user.line.split()[:2] == ["ACL", "SETUSER"]
        assert " resetkeys ~partidor:eu:* resetchannels -@all +" in user.line
        assert not {"keys", "flushall", "flushdb", "config", "acl", "shutdown"} & {*user.commands}
    writing = {"set", "hset", "hdel", "eval", "unlink", "rename"}
    assert not writing & {*reader.commands}
    assert writing <= {*dispatcher.commands}
