"""Where Redis is, found fit to be asked: a wrong address or certificate file is said at once.

In: the settings. Out: the address, with everything secret in it, for redis-py's `from_url`.
`rediss://` speaks TLS; `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` in its query name files,
as do all parameters that redis-py's connections take. Nobody is connected to here.
"""

import os
from typing import Final

import redis

from streams.failure import WrongUsage
from streams.settings import Settings

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_WRONG: Final = "PARTIDOR_REDIS_URL"


def checked_redis_address(settings: Settings) -> str:
    """The address. Raises WrongUsage; the address may hold a password and is not repeated."""
    address = settings.redis_address
    try:
        pool = redis.Redis.from_url(address).connection_pool
        # Made, not connected: parameters that no connection takes are found here.
        pool.make_connection()
    except (ValueError, TypeError, redis.RedisError) as error:
        raise WrongUsage(f"{_WRONG}: {_which(error)}") from None
    for parameter in _FILES:
        path = pool.connection_kwargs.get(parameter)
        if path is not None and not _is_readable(str(path)):
            raise WrongUsage(f"{_WRONG}: {parameter} names {path}, which can't be read")
    return address


def _is_readable(path: str) -> bool:
    try:
        return os.access(path, os.R_OK)
    except ValueError:  # no path can have that in it
        return False


def _which(error: Exception) -> str:
    """Of a parameter that doesn't exist only its name is worth telling."""
    text = str(error)
    _, unknown, name = text.partition("unexpected keyword argument ")
    return f"there is no parameter {name}" if unknown else text
