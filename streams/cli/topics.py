"""`partidor topics`: what the table of topics says, and what the cluster has."""

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, note, print_json, print_listings

app = typer.Typer(
    no_args_is_help=True,
    help="Create the topics, or compare them with what they should be.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def create(as_json: JsonOption = False) -> None:
    """Create the topics that aren't there; those that are stay as they are.

    How many partitions and replicas: PARTIDOR_PARTITIONS,
    PARTIDOR_REPLICATION_FACTOR, PARTIDOR_MIN_INSYNC_REPLICAS. A prefix for all
    names: PARTIDOR_TOPIC_PREFIX.

    Examples:
      partidor topics create
      PARTIDOR_REPLICATION_FACTOR=1 PARTIDOR_MIN_INSYNC_REPLICAS=1 partidor topics create
    """
    from streams.kafka_clients import admin_client
    from streams.topic_admin import ensure_topics

    settings = load_settings()
    created = ensure_topics(admin_client(settings), settings)
    names = [name for name, _ in settings.topics.table()]
    if as_json:
        print_json(
            {"created": created, "existing": [name for name in names if name not in created]}
        )
        return
    for name in names:
        typer.echo(f"{name}  {'created' if name in created else 'was there already'}")
    if len(created) < len(names):
        note("partidor: `partidor topics check` compares those that were there with the table")


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Print each difference between the table of topics and the cluster; exit 1 if there is any.

    Compares existence, partitions, replicas and every topic setting in the
    table; a larger max.message.bytes is no difference. Brokers must allow
    transactions as long as ours.

    Examples:
      partidor topics check
      partidor topics check --json
    """
    from streams.kafka_clients import admin_client
    from streams.topic_admin import differences

    settings = load_settings()
    found = differences(admin_client(settings), settings)
    if as_json:
        print_json([difference._asdict() for difference in found])
    elif found:
        shown = Listing("Differences", "where", "setting", "expected", "found")
        for difference in found:
            shown.add(*difference)
        print_listings(shown)
    else:
        note(f"all topics at {settings.bootstrap_servers} are as they should be")
    raise typer.Exit(1 if found else 0)
