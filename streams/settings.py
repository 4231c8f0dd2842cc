"""Every setting: its name, environment variable, default, unit, and what it bounds.

Settings come from the environment (`PARTIDOR_...`, nested names behind `__`) and, below that,
from the TOML file that `PARTIDOR_SETTINGS_FILE` names. Any librdkafka property passes through as
`PARTIDOR_KAFKA__` and its name with underscores for dots, for example
`PARTIDOR_KAFKA__SASL_MECHANISM`. A secret may stand in a file instead, which `..._FILE` names:
see `streams.secret_files`.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from dispatcher.limits import Limits
from schemas.topics import TopicNames, output_bytes_max
from streams.secret_files import (
    KAFKA_SECRETS,
    MASK,
    is_secret,
    with_files,
    without_password,
)

ENVIRONMENT_PREFIX = "PARTIDOR_"
SETTINGS_FILE_VARIABLE = "PARTIDOR_SETTINGS_FILE"
REDIS_SECRETS = ("redis_url", "redis_password")
_DEFAULT_LIMITS = Limits()
KAFKA_DEFAULTS = {
    "bootstrap.servers": "localhost:9092",
    # librdkafka's "rebootstrap" (its default since 2.11) can leave a producer for ever waiting for
    # a connection that is being closed, after all brokers were away at once; seen with 2.16.
    "metadata.recovery.strategy": "none",
}


def _setting(default: Any, unit: str, bounds: str, **constraints: Any) -> Any:
    return Field(
        default=default, description=bounds, json_schema_extra={"unit": unit}, **constraints
    )


class LimitSettings(BaseModel):
    """Beyond these an input is a dead letter (`limit_exceeded`, `too_large`, `invalid_lead`)."""

    model_config = ConfigDict(extra="forbid")

    input_bytes_max: int = _setting(
        _DEFAULT_LIMITS.input_bytes_max, "bytes", "value of an input record, uncompressed", ge=1024
    )
    leads_per_batch_max: int = _setting(
        _DEFAULT_LIMITS.leads_per_batch_max, "leads", "leads in one event", ge=1
    )
    attributes_bytes_max: int = _setting(
        _DEFAULT_LIMITS.attributes_bytes_max, "bytes", "attributes of one lead", ge=2
    )
    members_max: int = _setting(
        _DEFAULT_LIMITS.members_max, "members", "a roster, paused members included", ge=1
    )
    roster_bytes_max: int = _setting(
        _DEFAULT_LIMITS.roster_bytes_max, "bytes", "a decision that lists everyone", ge=64 * 1024
    )
    channels_per_partition_max: int = _setting(
        _DEFAULT_LIMITS.channels_per_partition_max, "channels", "channels with a state", ge=1
    )
    parked_leads_per_channel_max: int = _setting(
        _DEFAULT_LIMITS.parked_leads_per_channel_max, "leads", "leads that wait in a channel", ge=0
    )
    parked_bytes_per_partition_max: int = _setting(
        _DEFAULT_LIMITS.parked_bytes_per_partition_max,
        "bytes",
        "memory of the leads that wait in a partition",
        ge=0,
    )
    nesting_max: int = _setting(
        _DEFAULT_LIMITS.nesting_max, "levels", "arrays and objects in one another", ge=3, le=500
    )

    def limits(self) -> Limits:
        """As the dispatcher's core takes them."""
        return Limits(**self.model_dump())


class Settings(BaseSettings):
    """All settings of all commands."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        extra="ignore",
        validate_default=True,
    )

    application_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = _setting(
        "partidor", "", "consumer group, prefix of transactional ids and of Redis keys"
    )
    slot: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = _setting(
        "0", "", "stable name of this process among those of the application; one process each"
    )
    kafka: dict[str, str] = _setting(
        KAFKA_DEFAULTS,
        "",
        "librdkafka properties, underscores for dots (PARTIDOR_KAFKA__BOOTSTRAP_SERVERS); of a "
        "secret one the file that holds it (PARTIDOR_KAFKA__SASL_PASSWORD_FILE)",
    )
    redis_url: SecretStr = _setting(
        "redis://localhost:6379/0", "", "where states are kept for a fast start, and read"
    )
    redis_url_file: Path | None = _setting(None, "", "file that holds `redis_url`, in its place")
    redis_password: SecretStr | None = _setting(
        None, "", "of the user that `redis_url` names without a password"
    )
    redis_password_file: Path | None = _setting(
        None, "", "file that holds `redis_password`, in its place"
    )
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = _setting(
        "", "", "stands before every topic name"
    )
    partitions: int = _setting(
        12, "partitions", "`topics create`: of the co-partitioned topics", ge=1, le=10_000
    )
    replication_factor: int = _setting(3, "replicas", "`topics create`", ge=1, le=32)
    min_insync_replicas: int = _setting(2, "replicas", "`topics create`", ge=1, le=32)
    limits: LimitSettings = Field(default_factory=LimitSettings)

    transaction_max_ms: int = _setting(
        400, "ms", "how long a transaction gathers events before it commits", ge=1, le=5_000
    )
    transaction_records_max: int = _setting(
        60_000,
        "records",
        "output records after which a transaction commits; an eighth after one that failed, "
        "twice as many after each that succeeded",
        ge=1,
        le=200_000,
    )
    transaction_gap_ms: int = _setting(
        5,
        "ms",
        "from a commit to the next transaction, for its markers to be written",
        ge=0,
        le=1_000,
    )
    transaction_timeout_ms: int = _setting(
        10_000, "ms", "after which the broker aborts a transaction left open", ge=1_000
    )
    session_timeout_ms: int = _setting(
        10_000, "ms", "silence after which a process loses its partitions", ge=1_000
    )
    max_poll_interval_ms: int = _setting(
        300_000, "ms", "time between polls after which a process loses its partitions", ge=10_000
    )
    call_timeout_ms: int = _setting(
        15_000, "ms", "a call to the cluster that isn't asked again, and a start", ge=100
    )
    question_timeout_ms: int = _setting(
        4_000, "ms", "a question of a dispatcher about offsets or topics; then it asks anew", ge=100
    )
    input_check_ms: int = _setting(
        10_000, "ms", "between two looks whether what is there is delivered", ge=500
    )
    stall_max_ms: int = _setting(
        120_000, "ms", "a turn of the loop; then the process ends, for its supervisor", ge=5_000
    )
    restart_wait_ms: int = _setting(
        1_000,
        "ms",
        "`run --processes`: before one that ended is started again; doubles while it fails",
        ge=10,
    )
    restarts_max: int = _setting(
        6, "failures", "`run --processes`: of one slot in a row; then all of them end", ge=1, le=20
    )
    stop_max_ms: int = _setting(
        30_000, "ms", "`run --processes`: to stop in good order; then they are killed", ge=1_000
    )
    retry_deadline_ms: int = _setting(
        20_000, "ms", "a call that may be retried, with all its retries; a commit", ge=1_000
    )
    commit_doubt_ms: int = _setting(
        5_000, "ms", "a transaction that took longer is treated as unknown (R6)", ge=100
    )
    fenced_most: int = _setting(
        3, "times", "fenced so often within five minutes, the process stops (R6)", ge=1
    )
    poll_records_max: int = _setting(20_000, "records", "one poll", ge=1, le=50_000)
    poll_timeout_ms: int = _setting(
        50, "ms", "how long a poll waits when nothing is there", ge=1, le=1_000
    )
    client_niceness: int = _setting(
        5,
        "steps",
        "how far the threads of Kafka's client give way to the one that decides, on a busy core; "
        "Linux only",
        ge=0,
        le=19,
    )
    buffered_records_max: int = _setting(
        20_000,
        "records",
        "input read and not yet decided, per partition; then it is paused (what an abort "
        "gives back comes on top)",
        ge=1,
    )
    buffered_bytes_max: int = _setting(
        64 * 1024 * 1024, "bytes", "input read and not yet decided, per process", ge=1024
    )
    restore_slice_ms: int = _setting(200, "ms", "restoring, between two polls", ge=10, le=10_000)
    restore_slice_records: int = _setting(
        1_000, "records", "read from the changelog or Redis at once", ge=1
    )
    redis_timeout_ms: int = _setting(500, "ms", "one call to Redis", ge=10)
    redis_records_per_call_max: int = _setting(
        2_000, "records", "one call, when a whole copy is written", ge=1, le=2_000
    )
    redis_retry_ms: int = _setting(
        1_000, "ms", "before Redis is tried again after it failed (R9)", ge=10
    )
    register_wait_ms: int = _setting(
        5_000,
        "ms",
        'without its lead register a channel that may (`without_register: "dispatch"`) goes on',
        ge=0,
    )
    redis_unflushed_fields_max: int = _setting(
        200_000, "fields", "changes that Redis has not taken; then input is paused (R9)", ge=1
    )
    redis_unflushed_age_max_ms: int = _setting(
        300_000, "ms", "age of the oldest of them; then input is paused (R9)", ge=100
    )
    redis_flush_on_revoke_ms: int = _setting(
        2_000, "ms", "handing over a partition waits for Redis", ge=0
    )
    status_interval_ms: int = _setting(
        2_000, "ms", "how often a process writes its partitions' states to Redis", ge=100
    )
    metrics_port: int = _setting(
        0,
        "",
        "port of `/metrics`, `/livez` and `/readyz`; with `run --processes` that of the first "
        "process, the others have the next ones; 0: none",
        ge=0,
        le=65_535,
    )
    metrics_host: str = _setting("127.0.0.1", "", "address that they are served at", min_length=1)
    loop_age_max_ms: int = _setting(
        25_000, "ms", "without a turn of the loop; then a process isn't ready", ge=1_000
    )
    tracing: bool = _setting(
        False,
        "",
        "whether batches are traced (extra `tracing`); where to, OpenTelemetry's own variables say",
    )
    log_level: Annotated[str, Field(pattern=r"^(debug|info|warning|error)$")] = _setting(
        "info", "", "debug, info, warning or error"
    )
    log_format: Annotated[str, Field(pattern=r"^(console|json)$")] = _setting(
        "console", "", "console or json"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_secrets(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        read = with_files(given, REDIS_SECRETS, prefix=ENVIRONMENT_PREFIX)
        # The names of the files stay to be shown; what they hold is not.
        return {**given, **read}

    @field_validator("kafka", mode="before")
    @classmethod
    def _with_dots(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {str(k).lower().replace("_", "."): str(v) for k, v in value.items()}
        prefix = f"{ENVIRONMENT_PREFIX}KAFKA__"
        return {
            **KAFKA_DEFAULTS,
            **with_files(given, KAFKA_SECRETS, prefix=prefix, separator="."),
        }

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file over defaults."""
        del dotenv_settings, file_secret_settings
        file = os.environ.get(SETTINGS_FILE_VARIABLE)
        if not file:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    @property
    def topics(self) -> TopicNames:
        """The topic names in use."""
        return TopicNames(self.topic_prefix)

    @property
    def bootstrap_servers(self) -> str:
        """Where the Kafka cluster is reached."""
        return self.kafka["bootstrap.servers"]

    @property
    def redis_address(self) -> str:
        """`redis_url` with the password in it: a secret."""
        url = self.redis_url.get_secret_value()
        if self.redis_password is None:
            return url
        parts = urlsplit(url)
        who, _, where = parts.netloc.rpartition("@")
        user = who.partition(":")[0]
        password = quote(self.redis_password.get_secret_value(), safe="")
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{where}"))

    @property
    def transactional_id(self) -> str:
        """Of this process: the application and its stable slot (R6)."""
        return f"{self.application_id}-{self.slot}"

    @property
    def expansion_id(self) -> str:
        """The transactional id of `topics expand`; no dispatcher's begins like that."""
        return f"{self.application_id}.expand"

    @property
    def output_bytes_max(self) -> int:
        """What output topics and the client must take in one record (R11)."""
        return output_bytes_max(self.limits.input_bytes_max, self.limits.roster_bytes_max)


def complaint(place: Sequence[int | str], message: str, file: str = "") -> str:
    """What is wrong with a setting, by the name of its variable; `file` holds settings, too."""
    text = message.removeprefix("Value error, ")
    if text.startswith(ENVIRONMENT_PREFIX):
        return text  # it says itself which one
    variable = ENVIRONMENT_PREFIX + "__".join(str(p).upper().replace(".", "_") for p in place)
    in_file = f" (or {'.'.join(map(str, place))} in {file})" if file else ""
    return f"{variable}{in_file}: {message}"


class SettingRow(NamedTuple):
    """A setting as `partidor config` shows it."""

    name: str
    variable: str
    default: str
    unit: str
    bounds: str
    value: str


def rows(settings: Settings) -> Iterator[SettingRow]:
    """Every setting in order, with the value in use; secrets are masked."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name == "limits":
            for inner, inner_field in LimitSettings.model_fields.items():
                yield SettingRow(
                    f"limits.{inner}",
                    f"{ENVIRONMENT_PREFIX}LIMITS__{inner.upper()}",
                    str(inner_field.default),
                    _unit(inner_field),
                    inner_field.description or "",
                    str(getattr(value, inner)),
                )
        elif name == "kafka":
            for key, text in value.items():
                yield SettingRow(
                    f"kafka.{key}",
                    f"{ENVIRONMENT_PREFIX}KAFKA__{key.upper().replace('.', '_')}",
                    field.default.get(key, ""),
                    "",
                    field.description or "",
                    MASK if is_secret(key) else text,
                )
        else:
            text = "" if value is None else _shown(name, value)
            yield SettingRow(
                name,
                f"{ENVIRONMENT_PREFIX}{name.upper()}",
                "" if field.default is None else str(field.default),
                _unit(field),
                field.description or "",
                text,
            )


def _shown(name: str, value: Any) -> str:
    if not isinstance(value, SecretStr):
        return str(value)
    return without_password(value.get_secret_value()) if name.endswith("_url") else MASK


def _unit(field: Any) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""
