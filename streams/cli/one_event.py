"""What commands share that publish one event, made of their arguments."""

from collections.abc import Mapping
from typing import Any

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import now_text
from streams.cli.output import print_json
from streams.failure import Failed, WrongUsage


def publish_one(
    event_type: str,
    id_name: str,
    event_id: str | None,
    channel: str,
    fields: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Publish one event and wait until it is acknowledged.

    Args:
        id_name, event_id: what its id is called, and the id; None for a new one.
        fields: all others; optional ones may be None.

    Raises WrongUsage when an argument is wrong, Failed when it can't be delivered.
    """
    import uuid

    import msgspec

    from streams.delivery import Delivery
    from streams.kafka_clients import PartitionCounts
    from streams.publishing import event_lines, send_lines

    settings = load_settings()
    event: dict[str, Any] = {
        "type": event_type,
        "schema_version": 1,
        id_name: event_id or f"cli-{uuid.uuid4()}",
        "channel": channel,
        "created_at": now_text(),
    }
    event.update({name: value for name, value in fields.items() if value is not None})
    value = msgspec.json.encode(event)
    try:
        lines = list(event_lines([value], event_type, settings.limits.limits()))
    except Failed as failure:
        # The one line of this "file" is made of the arguments, so they are wrong.
        text = str(failure).splitlines()[0].removeprefix(f"{event_type} line 1: ")
        raise WrongUsage(text) from None
    delivery = Delivery(settings, PartitionCounts(settings))
    send_lines(lines, delivery, settings.topics, lambda _: None)
    if delivery.last is None:
        raise AssertionError("an acknowledged record stands somewhere")
    if as_json:
        print_json({id_name: event[id_name], **delivery.last._asdict()})
    else:
        where = f"{delivery.last.topic} partition {delivery.last.partition} offset"
        typer.echo(f"published {event[id_name]} to {where} {delivery.last.offset}")
