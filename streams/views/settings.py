"""The settings of the views, beside those of Kafka that all processes share.

`PARTIDOR_VIEWS__...` in the environment, or the table `[views]` in the settings file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE_VARIABLE, SettingRow


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
    port: int = _setting(6066, "", "port that the web server listens on", ge=1, le=65_535)
    data_dir: Path | None = _setting(
        None, "", "where snapshots are kept; by default under the user's state directory (XDG)"
    )
    snapshot_interval_ms: int = _setting(
        10_000, "ms", "between two snapshots; a restart reads what is newer from Kafka", ge=100
    )
    rebalance_timeout_ms: int = _setting(
        30_000, "ms", "for the processes of a group to agree on who reads what", ge=1_000
    )
    fetch_bytes_max: int = _setting(
        4 * 1024 * 1024, "bytes", "fetched at once from a partition", ge=64 * 1024
    )
    buffered_records_max: int = _setting(
        1_000, "records", "read and not yet counted; then reading waits", ge=1
    )
    channels_per_page_max: int = _setting(
        1_000, "channels", "in one answer of `/channels`", ge=1, le=100_000
    )

    @property
    def data_directory(self) -> Path:
        """Where snapshots are kept."""
        return self.data_dir or _default_data_dir()


class _Sources(BaseSettings):
    """Finds the views' part in the environment and the file, as `Settings` finds the rest."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="ignore"
    )

    views: Annotated[ViewsSettings, Field(default_factory=ViewsSettings)]

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
        file = os.environ.get(SETTINGS_FILE_VARIABLE)
        if not file:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def load_views_settings() -> ViewsSettings:
    """From the environment and the settings file. Raises pydantic's ValidationError."""
    return _Sources().views


def views_rows(views: ViewsSettings) -> Iterator[SettingRow]:
    """Every setting of the views, as `partidor config` shows settings."""
    for name, field in ViewsSettings.model_fields.items():
        extra = field.json_schema_extra
        default = _default_data_dir() if name == "data_dir" else field.default
        value = views.data_directory if name == "data_dir" else getattr(views, name)
        yield SettingRow(
            f"views.{name}",
            f"{ENVIRONMENT_PREFIX}VIEWS__{name.upper()}",
            str(default),
            str(extra.get("unit", "")) if isinstance(extra, dict) else "",
            field.description or "",
            str(value),
        )
