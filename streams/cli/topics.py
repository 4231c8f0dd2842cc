"""`partidor topics`: what the table of topics says, and what the cluster has."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.acls import PrincipalOption, TelephonyGroupsOption
from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, note, print_json, print_listings
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

    from streams.acl_admin import Grant
    from streams.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Create the topics, or compare them with what they should be.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def create(
    acls: Annotated[
        bool, typer.Option("--acls", help="Write the ACLs of all roles as well.")
    ] = False,
    principal: PrincipalOption = None,
    telephony_groups: TelephonyGroupsOption = "telephony",
    as_json: JsonOption = False,
) -> None:
    """Create the topics that aren't there; those that are stay as they are.

    How many partitions and replicas: PARTIDOR_PARTITIONS,
    PARTIDOR_REPLICATION_FACTOR, PARTIDOR_MIN_INSYNC_REPLICAS. A prefix for all
    names: PARTIDOR_TOPIC_PREFIX. With --acls whoever plays a role is allowed
    what `partidor acls kafka` lists, and nothing is taken from anybody; that
    needs an administrator of the cluster.

    Examples:
      partidor topics create
      PARTIDOR_REPLICATION_FACTOR=1 PARTIDOR_MIN_INSYNC_REPLICAS=1 partidor topics create
      partidor topics create --acls --principal source=User:crm --principal source=User:web
    """
    from streams.kafka_clients import admin_client
    from streams.topic_admin import ensure_topics

    if (principal or telephony_groups != "telephony") and not acls:
        raise WrongUsage("--principal and --telephony-groups go with --acls")
    settings = load_settings()
    # A wrong principal is said before anything is made.
    wanted = _wanted(settings, principal or [], telephony_groups) if acls else []
    admin = admin_client(settings)
    created = ensure_topics(admin, settings)
    names = [name for name, _ in settings.topics.table()]
    made = _written(admin, settings, wanted)
    if as_json:
        existing = [name for name in names if name not in created]
        print_json({"created": created, "existing": existing, **made})
        return
    for name in names:
        typer.echo(f"{name}  {'created' if name in created else 'was there already'}")
    for text in made.get("acls_created", []):
        typer.echo(f"ACL {text}  created")
    for text in made.get("acls_existing", []):
        typer.echo(f"ACL {text}  was there already")
    if len(created) < len(names):
        note("partidor: `partidor topics check` compares those that were there with the table")


def _wanted(settings: "Settings", principal: list[str], telephony_groups: str) -> "list[Grant]":
    from streams.acl_admin import grants
    from streams.acls import principals, rules

    players = principals(principal, settings.application_id)
    return list(grants(list(rules(settings, telephony_groups)), players))


def _written(
    admin: "AdminClient", settings: "Settings", wanted: "list[Grant]"
) -> dict[str, list[str]]:
    """Which ACLs were made, and which were there; nothing where none are wanted."""
    from streams.acl_admin import ensure_acls

    if not wanted:
        return {}
    made = ensure_acls(admin, settings, wanted)
    return {
        "acls_created": [grant.text for grant in made],
        "acls_existing": [grant.text for grant in wanted if grant not in made],
    }


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


@app.command()
def expand(
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many there are to be; not fewer than now.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many channels would move.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give the co-partitioned topics more partitions, and move channels' states along.

    Stop all dispatchers first; sources, telephony systems and views go on.
    If it is broken off, dispatchers refuse to start until it is run again.
    Afterwards set PARTIDOR_PARTITIONS to the new number. See
    deploy/upgrades.md.

    Examples:
      partidor topics expand --partitions 24 --dry-run
      partidor topics expand --partitions 24
    """
    from streams.expansion import Expansion

    settings = load_settings()
    expansion = Expansion(settings, partitions, lambda text: note(f"partidor: {text}"))
    plan = expansion.plan() if dry_run else expansion.run()
    if as_json:
        print_json({**plan._asdict(), "dry_run": dry_run})
        return
    if plan.done:
        typer.echo(f"nothing to do: there are {plan.after} partitions, and every state is in place")
        return
    verb = "would move" if dry_run else "moved"
    counts = f"{plan.before} -> {plan.after} partitions"
    typer.echo(f"{counts}: {plan.moving:,} of {plan.channels:,} channels {verb}")
