"""Quix Streams, exactly once: `python quix_app.py JOB`, in an environment of its own."""

import json
import sys
from pathlib import Path
from typing import Any

from quixstreams import Application
from work import assignments, rosters_of

CREATED_AT = "2026-11-21T09:00:00.000Z"


def main(job: dict[str, Any]) -> None:
    """Run until it is told to stop."""
    rosters = rosters_of(job["rosters"])
    application = Application(
        broker_address=job["bootstrap_servers"],
        consumer_group=job["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=job["commit_every"],
        commit_interval=job["commit_interval_s"],
        state_dir=job["directory"],
        loglevel="WARNING",
        producer_extra_config=job["producer"],
        consumer_extra_config=job["consumer"],
    )
    batches = application.topic(job["input"], value_deserializer="json", key_deserializer="str")
    output = application.topic(job["output"], value_serializer="json", key_serializer="str")

    def dispatch(batch: dict[str, Any], state: Any) -> list[dict[str, Any]]:
        now = state.get("channel") or {}
        events = assignments(batch, rosters[batch["channel"]], now, CREATED_AT)
        state.set("channel", now)
        return events

    stream = application.dataframe(batches)
    stream.apply(dispatch, stateful=True, expand=True).to_topic(output)
    application.run()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
