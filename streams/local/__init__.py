"""A real Kafka and a real Redis on this machine, without installing either.

    from streams.local import LocalStack, open_stack

    with LocalStack() as stack:                 # processes; up in about two seconds once prepared
        stack.bootstrap_servers                 # "127.0.0.1:27400"
        stack.redis_url                         # "redis://127.0.0.1:28181/0"
        stack.kafka.kill(); stack.kafka.start() # a crash; the same data at the same address
        stack.redis.pause(); stack.redis.resume()

    with open_stack(None, None) as stack:       # settings, else containers, else processes
        ...

    with LocalStack(keep=True): ...             # runs on after this process
    kept_endpoints(); stop_kept()               # from any process of the same user

`stack.kafka` and `stack.redis` have `pid`, `is_running`, `kill()`, `stop()`, `start()`,
`restart()`, `pause()`, `resume()` and `log_path`. Every server ends with the process that started
it, even if that is killed, unless it is kept. `ServerProcess` does the same for any other program,
such as a dispatcher: kept ones whose directory is `kept_directory() / NAME` are ended by
`stop_kept` before Kafka and Redis are.

Reading order: `stack` (the whole), `process` and `babysitter` (how servers live and end),
`kafka_server`, `jars`, `java`, `redis_server` (what is run), `chooser`, `containers` (the
alternatives), `ports`, `cache`, `errors`.
"""

from streams.local.chooser import Stack, open_stack
from streams.local.errors import LocalStackError
from streams.local.process import ServerProcess
from streams.local.stack import Endpoints, LocalStack, kept_directory, kept_endpoints, stop_kept

__all__ = [
    "Endpoints",
    "LocalStack",
    "LocalStackError",
    "ServerProcess",
    "Stack",
    "kept_directory",
    "kept_endpoints",
    "open_stack",
    "stop_kept",
]
