"""`partidor config`, and how every command gets its settings: wrong ones are named one by one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.output import JsonOption, Listing, note, print_json, print_listings
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from pydantic import ValidationError

    from streams.settings import Settings


def load_settings() -> "Settings":
    """The settings of the environment and the settings file.

    Raises WrongUsage, with the variable to mend; values are not repeated, they may be secret.
    """
    import tomllib

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from streams.settings import SETTINGS_FILE_VARIABLE, Settings

    file = os.environ.get(SETTINGS_FILE_VARIABLE, "")
    if file and not Path(file).is_file():
        raise WrongUsage(f"{SETTINGS_FILE_VARIABLE}: there is no file {file}")
    try:
        return Settings()
    except ValidationError as error:
        raise WrongUsage(_wrong_settings(error, file)) from None
    except SettingsError as error:
        raise WrongUsage(_unparsed(str(error))) from None
    except tomllib.TOMLDecodeError as error:
        raise WrongUsage(f"{file}: {error}") from None


def _wrong_settings(error: "ValidationError", file: str) -> str:
    """Each wrong setting by the name of its variable."""
    from streams.settings import complaint

    return "; ".join(
        complaint(each["loc"], each["msg"], file)
        for each in error.errors(include_url=False, include_input=False)
    )


def _unparsed(message: str) -> str:
    """A variable that should hold JSON and doesn't; the parser names only its field."""
    from streams.settings import ENVIRONMENT_PREFIX

    field = message.partition('field "')[2].partition('"')[0]
    variable = ENVIRONMENT_PREFIX + field.upper()
    return f"{variable}: not JSON; single values are {variable}__NAME"


def unknown_variables() -> list[str]:
    """Variables that look like settings and are none: most are misspelt."""
    from streams.settings import ENVIRONMENT_PREFIX, SETTINGS_FILE_VARIABLE, LimitSettings, Settings
    from streams.views.settings import ViewsSettings

    known = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{ENVIRONMENT_PREFIX}LIMITS__{name.upper()}" for name in LimitSettings.model_fields}
    known |= {f"{ENVIRONMENT_PREFIX}VIEWS__{name.upper()}" for name in ViewsSettings.model_fields}
    known |= {SETTINGS_FILE_VARIABLE, "PARTIDOR_CACHE_DIR"}
    free = (f"{ENVIRONMENT_PREFIX}KAFKA__", f"{ENVIRONMENT_PREFIX}TEST_")
    return sorted(
        name
        for name in map(str.upper, os.environ)
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known and not name.startswith(free)
    )


def config(as_json: JsonOption = False) -> None:
    """Every setting: name, environment variable, value in use, default, unit, what it bounds.

    Passwords and keys are masked. Settings come from the environment and, below
    that, from the TOML file that PARTIDOR_SETTINGS_FILE names. Any librdkafka
    property is a setting: security.protocol is
    PARTIDOR_KAFKA__SECURITY_PROTOCOL.

    Examples:
      partidor config
      PARTIDOR_PARTITIONS=24 partidor config --json
    """
    from streams.settings import rows
    from streams.views.settings import load_views_settings, views_rows

    found = [*rows(load_settings()), *views_rows(load_views_settings())]
    for name in unknown_variables():
        note(f"partidor: {name} is no setting")
    if as_json:
        print_json([row._asdict() for row in found])
        return
    shown = Listing("Settings", "variable", "value", "default", "unit", "what it bounds")
    for row in found:
        shown.add(row.variable, row.value, row.default, row.unit, row.bounds)
    print_listings(shown)
