"""`partidor config`: every setting, and no secret."""

import json
from typing import Any

import pytest

from streams.settings import LimitSettings, Settings


def test_every_setting_is_listed_with_what_it_bounds(partidor: Any) -> None:
    """Nothing can be set that isn't told."""
    rows = json.loads(partidor("config", "--json").out)
    listed = {row["variable"]: row for row in rows}
    for name in Settings.model_fields:
        if name not in ("limits", "kafka"):
            assert listed[f"PARTIDOR_{name.upper()}"]["bounds"]
    for name in LimitSettings.model_fields:
        assert listed[f"PARTIDOR_LIMITS__{name.upper()}"]["unit"]
    assert listed["PARTIDOR_KAFKA__BOOTSTRAP_SERVERS"]["value"]


def test_the_table_shows_variable_value_and_default(
    partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value from the environment stands beside its default."""
    monkeypatch.setenv("PARTIDOR_PARTITIONS", "7")
    (line,) = [line for line in partidor("config").out.splitlines() if "_PARTITIONS " in line]
    assert line.split()[:3] == ["PARTIDOR_PARTITIONS", "7", "12"]


def test_secrets_are_never_shown(partidor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither passwords of Kafka nor the one in the address of Redis."""
    secrets = {
        "PARTIDOR_KAFKA__SASL_PASSWORD": "open-sesame-1",
        "PARTIDOR_KAFKA__SSL_KEY_PASSWORD": "open-sesame-2",
        "PARTIDOR_REDIS_URL": "redis://user:open-sesame-3@localhost:6379/0",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    for arguments in (["config"], ["config", "--json"]):
        result = partidor(*arguments)
        assert result.exit_code == 0
        assert "open-sesame" not in result.out + result.err


def test_a_misspelt_variable_is_mentioned(partidor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be ignored otherwise, and nobody would know."""
    monkeypatch.setenv("PARTIDOR_PARTITONS", "7")
    result = partidor("config")
    assert result.exit_code == 0
    assert "PARTIDOR_PARTITONS is no setting" in result.err
