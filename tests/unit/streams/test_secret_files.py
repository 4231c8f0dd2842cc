"""Secrets in files: read whole, without the newline, and with an error that names the variable."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.secret_files import BYTES_MAX, MASK, is_secret, without_password
from streams.settings import Settings
from streams.views.settings import load_views_settings


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file as an editor leaves it."""
    path = tmp_path / "secret"
    path.write_text("p@ss: wörd/%\n")
    return path


def test_every_kind_of_secret_is_read_from_its_file(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka's, Redis's and the views'; no variable holds it."""
    monkeypatch.setenv("PARTIDOR_KAFKA__SASL_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("PARTIDOR_REDIS_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("PARTIDOR_REDIS_URL", "rediss://me@localhost:6379/1?ssl_ca_certs=ca.pem")
    monkeypatch.setenv("PARTIDOR_VIEWS__TOKEN_FILE", str(secret))
    settings = Settings()
    assert settings.kafka["sasl.password"] == "p@ss: wörd/%"
    assert "sasl.password.file" not in settings.kafka
    assert settings.redis_address == (
        "rediss://me:p%40ss%3A%20w%C3%B6rd%2F%25@localhost:6379/1?ssl_ca_certs=ca.pem"
    )
    token = load_views_settings().token
    assert token is not None
    assert token.get_secret_value() == "p@ss: wörd/%"
    assert "wörd" not in repr(settings.redis_password) + repr(settings.redis_url)


def test_a_whole_address_may_stand_in_a_file_and_in_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the secret of a hosted Redis comes."""
    (tmp_path / "url").write_text("redis://:open-sesame@h:1/0\r\n")
    (tmp_path / "settings.toml").write_text(f'redis_url_file = "{tmp_path}/url"\n')
    monkeypatch.setenv("PARTIDOR_SETTINGS_FILE", str(tmp_path / "settings.toml"))
    assert Settings().redis_address == "redis://:open-sesame@h:1/0"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "can't read .*: No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "not UTF-8"),
        (b"x" * (BYTES_MAX + 1), "more than"),
    ],
)
def test_a_file_that_holds_no_secret_is_an_error_that_names_the_variable(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """Rather than an empty password."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValidationError, match=f"PARTIDOR_REDIS_PASSWORD_FILE.*{why}"):
        Settings(redis_password_file=path)
    kafka = {"sasl_password_file": str(path)}
    with pytest.raises(ValidationError, match=f"PARTIDOR_KAFKA__SASL_PASSWORD_FILE.*{why}"):
        Settings(kafka=kafka)


def test_a_secret_and_its_file_are_not_given_both(secret: Path) -> None:
    """Nobody could say which one was meant."""
    given: dict[str, Any] = {"redis_password": "x", "redis_password_file": secret}
    with pytest.raises(ValidationError, match="PARTIDOR_REDIS_PASSWORD_FILE, not both"):
        Settings(**given)
    with pytest.raises(ValidationError, match="PARTIDOR_KAFKA__SASL_PASSWORD_FILE, not both"):
        Settings(kafka={"sasl_password": "x", "sasl_password_file": str(secret)})


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:{}@h:1/0",
        "rediss://:{}@h",
        "redis://u:{}@h:1/0?password={}&ssl_password={}",
        "unix:///x?password={}&db=1",
    ],
)
@pytest.mark.parametrize("password", ["simple", "a/b", "a:b", "a?b", "a@b", "a\nb", "a#b"])
def test_no_form_of_an_address_shows_its_password(url: str, password: str) -> None:
    """Nor one that was written wrongly."""
    shown = without_password(url.replace("{}", password))
    assert shown == url.replace("{}", MASK) or url.replace("{}", MASK).startswith(shown)
    assert MASK in shown


def test_properties_that_hold_secrets_are_masked_and_paths_are_not() -> None:
    """What to look at when something is wrong has to be seen."""
    for name in ("sasl.password", "ssl.key.pem", "ssl.key.password", "sasl.oauthbearer.config"):
        assert is_secret(name)
    for name in ("ssl.key.location", "sasl.username", "ssl.ca.location", "bootstrap.servers"):
        assert not is_secret(name)
