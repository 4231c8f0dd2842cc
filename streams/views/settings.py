"""The settings of the views, beside those of Kafka that all processes share.

`PARTIDOR_VIEWS__...` in the environment, or the table `[views]` in the settings file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from streams.failure import WrongUsage
from streams.secret_files import with_files
from streams.settings import ENVIRONMENT_PREFIX, SettingRow, Settings, complaint


def _setting(default: Any, unit: str, bounds: str, **constraints: Any) -> Any:
    return Field(
        default=default, description=bounds, json_schema_extra={"unit": unit}, **constraints
    )


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "partidor" / "views"


class ViewsSettings(BaseModel):
    """Of the process `partidor views`."""

    model_config = ConfigDict(extra="forbid")

    host: str = _setting("127.0.0.1", "", "address that the web server listens on", min_length=1)
    token: SecretStr | None = _setting(
        None, "", "what whoever asks has to send; needed when others reach `host`"
    )
    token_file: Path | None = _setting(None, "", "file that holds `token`, in its place")
    port: int = _setting(6066, "", "port that the web server listens on", ge=1, le=65_535)
    data_dir: Path | None = _setting(
        None, "", "where counts are kept; by default under the user's state directory (XDG)"
    )
    snapshot_interval_ms: int = _setting(
        10_000, "ms", "between two writes to disk; a restart reads what is newer", ge=100
    )
    session_timeout_ms: int = _setting(
        6_000, "ms", "silence after which a process loses its partitions", ge=1_000, le=60_000
    )
    rebalance_timeout_ms: int = _setting(
        30_000, "ms", "for the processes of a group to agree on who reads what", ge=1_000, le=90_000
    )
    fetch_bytes_max: int = _setting(
        4 * 1024 * 1024, "bytes", "fetched at once from a partition", ge=64 * 1024
    )
    buffered_records_max: int = _setting(
        1_000, "records", "read and not yet counted; then reading waits", ge=1
    )
    channels_per_page_max: int = _setting(
        1_000, "channels", "in one answer of `/api/channels`", ge=1, le=100_000
    )
    attributes: bool = _setting(
        False, "", "whether the attributes of leads, which are personal, are served"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_secrets(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {**given, **with_files(given, ("token",), prefix=f"{ENVIRONMENT_PREFIX}VIEWS__")}

    @property
    def data_directory(self) -> Path:
        """Where counts are kept."""
        return self.data_dir or _default_data_dir()


class _WithViews(Settings):
    """The views' part stands beside the rest, in the environment and in the file."""

    views: ViewsSettings = Field(default_factory=ViewsSettings)


DATA_DIR_DEFAULT = "$XDG_STATE_HOME/partidor/views"
"""How the default is told: where it is depends on the user."""


def load_views_settings() -> ViewsSettings:
    """From the environment and the settings file. Raises WrongUsage; values are not repeated."""
    try:
        return _WithViews().views
    except ValidationError as error:
        complaints = (
            complaint(each["loc"], each["msg"])
            for each in error.errors(include_url=False, include_input=False)
        )
        raise WrongUsage("; ".join(complaints)) from None


def views_rows(views: ViewsSettings) -> Iterator[SettingRow]:
    """Every setting of the views, as `partidor config` shows settings."""
    for name, field in ViewsSettings.model_fields.items():
        extra = field.json_schema_extra
        default = DATA_DIR_DEFAULT if name == "data_dir" else field.default
        value = views.data_directory if name == "data_dir" else getattr(views, name)
        yield SettingRow(
            f"views.{name}",
            f"{ENVIRONMENT_PREFIX}VIEWS__{name.upper()}",
            str(default),
            str(extra.get("unit", "")) if isinstance(extra, dict) else "",
            field.description or "",
            str(value),
        )
