"""Faust: `python faust_app.py JOB`. Its "exactly_once" is what it calls so."""

import json
import sys
from pathlib import Path
from typing import Any

import faust
from work import assignments, rosters_of

CREATED_AT = "2026-11-21T09:00:00.000Z"


def made(job: dict[str, Any]) -> faust.App:
    """The application."""
    rosters = rosters_of(job["rosters"])
    app = faust.App(
        job["group"],
        broker=f"kafka://{job['bootstrap_servers']}",
        store="memory://",
        processing_guarantee=job["guarantee"],
        topic_partitions=job["partitions"],
        topic_replication_factor=1,
        web_enabled=False,
        datadir=job["directory"],
        producer_compression_type="lz4",
    )
    batches = app.topic(job["input"], key_type=str, value_serializer="json")
    output = app.topic(job["output"], key_type=str, value_serializer="json")
    channels = app.Table("channels", default=dict, partitions=job["partitions"])

    @app.agent(batches)  # type: ignore[untyped-decorator]
    async def dispatch(stream: Any) -> None:
        async for batch in stream:
            channel = batch["channel"]
            state = dict(channels[channel])
            events = assignments(batch, rosters[channel], state, CREATED_AT)
            channels[channel] = state
            for event in events:
                await output.send(key=channel, value=event)

    return app


if __name__ == "__main__":
    application = made(json.loads(Path(sys.argv[1]).read_text()))
    sys.argv = ["faust", "worker", "-l", "warn", "--without-web"]
    application.main()
