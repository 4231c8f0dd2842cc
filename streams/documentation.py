"""The tables of the README that are made from the code, so that they can't say anything else.

`python -m streams.documentation README.md` puts them in; a test shows that they are up to date.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from schemas.reasons import MEANINGS
from schemas.topics import DAY_MS, TOPICS
from streams.acls import MEANINGS as MEANINGS_OF_ROLES
from streams.acls import redis_users, rules
from streams.rehearsal.report import story_table as table_of_story
from streams.rehearsal.stories import STORIES, told
from streams.settings import Settings, rows
from streams.views.settings import ViewsSettings, views_rows


def _head(*names: str) -> Iterator[str]:
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)


def topics_table() -> Iterator[str]:
    """Every topic."""
    yield from _head("topic", "key", "written by", "read by", "carries", "cleanup")
    for topic in TOPICS:
        kept = topic.cleanup_policy
        if topic.retention_ms is not None:
            kept += f", {topic.retention_ms // DAY_MS} d"
        cells = (f"`{topic.name}`", topic.key, topic.written_by, topic.read_by, topic.carries, kept)
        yield "| " + " | ".join(cells) + " |"


def reasons_table() -> Iterator[str]:
    """Every reason of a dead letter."""
    yield from _head("reason", "means")
    for reason, meaning in MEANINGS.items():
        yield f"| `{reason}` | {meaning} |"


def roles_table() -> Iterator[str]:
    """What each role is allowed in Kafka, and its user of Redis."""
    yield from _head("role", "for", "allowed in Kafka")
    settings = Settings.model_construct()
    for role, meaning in MEANINGS_OF_ROLES.items():
        allowed: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for rule in rules(settings):
            if rule.role is role:
                allowed.setdefault((rule.kind, rule.operations), []).append(f"`{rule.pattern}`")
        cells = (
            f"{_several(kind, names)} {', '.join(names)}: {', '.join(operations)}"
            for (kind, operations), names in allowed.items()
        )
        yield f"| {role.value} | {meaning} | {'; '.join(cells)} |"


def _several(kind: str, names: list[str]) -> str:
    return f"{kind}s" if len(names) > 1 else kind


def redis_users_table() -> Iterator[str]:
    """The users of Redis."""
    yield from _head("user", "for", "keys", "commands")
    for user in redis_users(Settings.model_construct()):
        commands = ", ".join(user.commands).replace("|", " ")
        yield f"| `{user.name}` | {user.used_by} | `{user.keys}` | {commands} |"


def settings_table() -> Iterator[str]:
    """Every setting with its default."""
    yield from _head("variable", "default", "unit", "what it is or bounds")
    defaults = Settings.model_construct()
    for row in (*rows(defaults), *views_rows(ViewsSettings())):
        default = f"`{row.default}`" if row.default else "none"
        yield f"| `{row.variable}` | {default} | {row.unit} | {row.bounds} |"


def commands_table() -> Iterator[str]:
    """Every command with the first line of its help."""
    import typer

    from streams.cli.app import app

    yield from _head("command", "does")
    group = typer.main.get_command(app)
    yield from _commands(group, "partidor")


def _commands(command: object, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children:
        for child_name, child in children.items():
            yield from _commands(child, f"{name} {child_name}")
    else:
        help_text = (getattr(command, "help", None) or "").strip().split("\n\n")[0]
        yield f"| `{name}` | {' '.join(help_text.split())} |"


def metrics_table() -> Iterator[str]:
    """Every metric, by who serves it."""
    from streams.metrics.table import TABLES as SERVED

    yield from _head("metric", "kind", "labels", "means")
    for whose, metrics in SERVED.items():
        yield f"| *{whose}* | | | |"
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.meaning} |"


def story_table(name: str) -> Iterator[str]:
    """What came of a story, told anew."""
    yield from table_of_story(told(name))


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "topics": topics_table,
    "reasons": reasons_table,
    "roles": roles_table,
    "users of Redis": redis_users_table,
    "settings": settings_table,
    "commands": commands_table,
    "metrics": metrics_table,
    **{f"story {name}": partial(story_table, name) for name in STORIES},
}


def with_tables(text: str) -> str:
    """The text with every table between its markers made anew."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the markers of {name!r} are missing")
        text = head + begin + "\n".join(table()) + "\n" + end + tail
    return text


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text()))
