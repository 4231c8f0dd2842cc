"""`partidor acls`: what each role is allowed in Kafka and in Redis; nobody is asked or changed."""

from typing import Annotated, Any

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, print_json, print_listings

app = typer.Typer(
    no_args_is_help=True,
    help="What each role is allowed in Kafka and in Redis.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

PrincipalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--principal",
        help="ROLE=User:NAME, who plays a role; may be given several times. Without any: "
        "User:APPLICATION-ROLE for each.",
    ),
]
TelephonyGroupsOption = Annotated[
    str, typer.Option(help="What the names of telephony systems' consumer groups begin with.")
]


@app.command()
def kafka(
    principal: PrincipalOption = None,
    telephony_groups: TelephonyGroupsOption = "telephony",
    as_json: JsonOption = False,
) -> None:
    """Print the ACLs that `partidor topics create --acls` writes, for whoever keeps them elsewhere.

    Examples:
      partidor acls kafka
      partidor acls kafka --principal source=User:crm --json
    """
    from streams.acls import principals, rules

    settings = load_settings()
    players = principals(principal or (), settings.application_id)
    rows: list[dict[str, Any]] = [
        {
            "role": rule.role.value,
            "principal": player,
            "kind": rule.kind,
            "name": rule.name,
            "pattern_type": "prefixed" if rule.prefixed else "literal",
            "operations": list(rule.operations),
        }
        for rule in rules(settings, telephony_groups)
        for player in players.get(rule.role, ())
    ]
    if as_json:
        print_json(rows)
        return
    shown = Listing("ACLs", "role", "principal", "kind", "name", "operations")
    for row in rows:
        name = row["name"] + ("*" if row["pattern_type"] == "prefixed" else "")
        shown.add(row["role"], row["principal"], row["kind"], name, ", ".join(row["operations"]))
    print_listings(shown)


@app.command()
def redis() -> None:
    """Print the commands that make the users of Redis: the dispatchers', and who reads.

    Passwords aren't touched: a new user has none, and can't sign in before
    `ACL SETUSER NAME >PASSWORD`. Keys of other applications can't be read;
    that they are there the reader can see, as SCAN knows no limit.

    Examples:
      partidor acls redis | redis-cli --tls ...
    """
    from streams.acls import redis_users

    for user in redis_users(load_settings()):
        typer.echo(user.line)
