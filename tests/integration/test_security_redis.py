"""A secured Redis: TLS, and users that can do what the dispatchers and readers do, and no more."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import redis

from dispatcher.redis_store import RedisStore
from dispatcher.store import OwnerEntry, RegisterPoint, RestorePoint, StoreUnavailable
from streams.acls import RedisUser, redis_users
from streams.failure import Failed
from streams.redis_address import checked_redis_address
from streams.settings import Settings
from streams.state_reader import StateReader
from tests.support.expansions import partidor
from tests.support.installation import Installation
from tests.support.secured import Authority, SecuredRedis, redis_with_tls
from tests.support.traffic import one_batch_each, rosters

PASSWORD = "p@ss:wörd/%"
CALL_MS = 5_000
READ_COMMANDS = {
    "get",
    "mget",
    "hget",
    "hmget",
    "hgetall",
    "hkeys",
    "hlen",
    "hscan",
    "keys",
    "scan",
}


@pytest.fixture
def secured_redis(
    tmp_path: Path, left_out: Callable[[str, str], NoReturn]
) -> Iterator[SecuredRedis]:
    """With TLS, client certificates and a password."""
    program = redis_with_tls()
    if program is None:
        left_out("no redis-server with TLS", "install redis-server (Debian: redis-server)")
    authority = Authority(tmp_path / "certificates")
    server = SecuredRedis(tmp_path / "redis", program, authority, "administrator's")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def with_users(server: SecuredRedis, settings: Settings) -> tuple[RedisUser, RedisUser]:
    """The users as `partidor acls redis` prints them, with a password."""
    administrator = server.administrator()
    dispatcher, reader = redis_users(settings)
    for user in (dispatcher, reader):
        administrator.execute_command(*user.line.split())
        administrator.execute_command("ACL", "SETUSER", user.name, f">{PASSWORD}")
    administrator.execute_command("ACL", "LOG", "RESET")
    return dispatcher, reader


def settings_of(server: SecuredRedis, user: str, **others: Any) -> Settings:
    """Of a process that signs in so; the password stands beside the address."""
    return Settings(redis_url=server.url(user), redis_password=PASSWORD, **others)


def refusals(server: SecuredRedis) -> list[tuple[str, str, str]]:
    """Who was refused what, in Redis's own words."""
    return [
        (entry["username"], entry["reason"], entry["object"])
        for entry in server.administrator().acl_log()
        # Older servers don't know what clients tell of themselves.
        if not entry["object"].startswith("client|")
    ]


def test_a_dispatcher_does_everything_that_a_store_does(secured_redis: SecuredRedis) -> None:
    """Each call of the store, by the dispatchers' user; Redis has refused nothing."""
    settings = settings_of(secured_redis, "partidor-dispatcher")
    with_users(secured_redis, settings)
    topic = settings.topics.lead_batches
    store = RedisStore(checked_redis_address(settings), settings.application_id, topic, CALL_MS)
    now_ms = time.time_ns() // 1_000_000
    first, second = RestorePoint("t", 1, now_ms), RestorePoint("t", 2, now_ms)
    assert store.eviction_policy() == "noeviction"
    assert store.restore_point(0) is None
    store.stage(0, "me", first, [(b"web", b"1"), (b"web/batches/0", b"2")], first=True)
    store.stage(0, "me", first, [(b"loans", b"3")], first=False)
    assert store.replace(0, "me", None, first) == first
    assert store.apply(0, first, second, [(b"web", b"4"), (b"loans", None)]) == second
    assert dict(store.read(0, 0, 100).records) == {b"web": b"4", b"web/batches/0": b"2"}
    entries = [OwnerEntry("web/someone", b"A", 60_000)]
    assert store.put_owners(0, "register", (second, None), entries, 7)
    found = store.owners(0, "register", ["web/someone"])
    assert found.owners == [b"A"]
    assert found.register_point == RegisterPoint("register", 7)
    store.write_status("0", b"{}", 60_000)
    store.close()
    assert refusals(secured_redis) == []


def test_nobody_gets_at_other_keys_or_commands(secured_redis: SecuredRedis) -> None:
    """Those of another application, nor what would empty, reconfigure or take over the server."""
    secured_redis.administrator().set("partidor:another:dispatcher:0", "theirs")
    secured_redis.administrator().hset("partidor:partidor:{leads.batches-0}", "a", "ours")
    users = with_users(secured_redis, Settings())
    ours, theirs = "partidor:partidor:{leads.batches-0}", "partidor:another:dispatcher:0"
    forbidden: list[tuple[str, ...]] = [
        ("GET", theirs),
        ("MGET", theirs),
        ("HGET", theirs, "a"),
        ("SET", theirs, "x"),
        ("EVAL", "return redis.call('GET', KEYS[1])", "1", theirs),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "somebody", "on", "nopass", "+@all", "~*"),
        ("REPLICAOF", "localhost", "1"),
        ("SHUTDOWN",),
        ("MONITOR",),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "LIST"),
        ("SUBSCRIBE", "anything"),
    ]
    writes = [
        ("HSET", ours, "a", "b"),
        ("HDEL", ours, "a"),
        ("SET", "partidor:partidor:dispatcher:0", "x"),
        ("UNLINK", ours),
        ("EVAL", "return redis.call('HSET', KEYS[1], 'a', 'b')", "1", ours),
        ("RENAME", ours, "partidor:partidor:elsewhere"),
    ]
    for user in users:
        client = redis.Redis.from_url(settings_of(secured_redis, user.name).redis_address)
        allowed = user.name.endswith("-dispatcher")
        for command in [*forbidden, *([] if allowed else writes)]:
            # Inside a script the refusal is the script's error.
            with pytest.raises(redis.ResponseError, match=r"(?i)permission"):
                client.execute_command(*command)
        assert client.hget(ours, "a") == b"ours"
        client.close()


def test_a_whole_dispatcher_works_behind_tls(
    secured_redis: SecuredRedis, bootstrap_servers: str, application_id: str, tmp_path: Path
) -> None:
    """States come to Redis and back from it, and what readers ask for is answered."""
    other = Settings(application_id=application_id)
    dispatcher_user, reader_user = with_users(secured_redis, other)
    administrator = secured_redis.url("default", "administrator's")
    with Installation(bootstrap_servers, administrator, tmp_path, application_id) as installation:
        address = settings_of(secured_redis, dispatcher_user.name).redis_address
        installation.publish(rosters(2))
        first = installation.started(redis_url=address)
        installation.process(one_batch_each(2, "before"))
        assert first.stop() == 0
        second = installation.started(redis_url=address)
        assert {entry["source"] for entry in second.log("restored")} >= {"redis"}
        reader = StateReader(
            installation.settings_with(
                redis_url=secured_redis.url(reader_user.name), redis_password=PASSWORD
            )
        )
        assert reader.channel("channel-0").state.state_version > 0
        assert [status.redis for status in reader.statuses()] == ["up"]
        assert second.stop() == 0
        secured_redis.administrator().config_resetstat()
        check_commands(installation, secured_redis, reader_user)
    assert refusals(secured_redis) == []


def check_commands(installation: Installation, server: SecuredRedis, user: RedisUser) -> None:
    """What people ask Redis by is answered to the reader, who was allowed nothing else."""
    address = settings_of(server, user.name).redis_address

    def told(*arguments: str) -> Any:
        environment = {"PARTIDOR_REDIS_URL": address}
        done = partidor(installation, *arguments, "--json", environment=environment)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    report = told("verify")
    (of_redis,) = [check for check in report["checks"] if check["check"] == "Redis"]
    assert (of_redis["verdict"], of_redis["not_told"]) == ("ok", {})
    assert of_redis["checked"]
    assert told("forget", "L1", "--list")["live"]["in_redis"] == {}
    assert told("show", "channel-0")["channel"] == "channel-0"
    assert told("lag")["lag"] == 0
    used = {name.removeprefix("cmdstat_") for name in server.administrator().info("commandstats")}
    asked = {"hget", "hmget", "hscan", "scan"}
    assert used & READ_COMMANDS == asked
    # Statuses have expired, or are asked for together.
    assert asked <= {*user.commands} & READ_COMMANDS <= asked | {"mget"}


def test_who_does_not_get_in_is_told_why(secured_redis: SecuredRedis, tmp_path: Path) -> None:
    """Wrong password, unknown authority, no client certificate, no TLS: one line each."""
    with_users(secured_redis, Settings())
    (tmp_path / "stranger").mkdir()
    other = Authority(tmp_path / "stranger")
    good = secured_redis.url("partidor-reader", "wrong")
    ways = {
        good: "username-password",
        good.replace(str(secured_redis.authority.ca), str(other.ca)): "certificate verify failed",
        good.partition("&ssl_certfile")[0]: "",
        good.replace("rediss://", "redis://").partition("?")[0]: "",
    }
    for url, reason in ways.items():
        for call in (
            lambda url=url: StateReader(Settings(redis_url=url)).channel("web"),
            lambda url=url: RedisStore(url, "partidor", "leads.batches", CALL_MS).restore_point(0),
        ):
            with pytest.raises((Failed, StoreUnavailable)) as refused:
                call()
            text = str(refused.value)
            assert reason in text
            assert "wrong" not in text.replace("wrong version", "")
            assert "\n" not in text


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("rediss://h:1/0?ssl_ca_cert=x", "no parameter 'ssl_ca_cert'"),
        ("rediss://h:1/0?ssl_ca_certs=/nowhere", "ssl_ca_certs names /nowhere"),
        ("http://me:secret@h:1", "schemes"),
        ("redis://me:secret@h:port", "port"),
    ],
)
def test_a_wrong_address_is_said_at_once(url: str, why: str) -> None:
    """Before anybody is asked, and without what is secret in it."""
    with pytest.raises(Failed, match=why) as refused:
        checked_redis_address(Settings(redis_url=url))
    assert "secret" not in str(refused.value)
