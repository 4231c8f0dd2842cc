"""`partidor schemas`: the published documents of the events."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="The events' JSON Schemas and the AsyncAPI document of the topics."
)


@app.callback()
def schemas() -> None:
    """The events' JSON Schemas and the AsyncAPI document of the topics."""


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it isn't there.")],
) -> None:
    """Write the JSON Schema of every event, and the AsyncAPI 3.1 document of the topics.

    Examples:
      partidor schemas export published
    """
    from schemas.documents import asyncapi, json_schemas

    directory.mkdir(parents=True, exist_ok=True)
    documents = {f"{name}.schema.json": schema for name, schema in json_schemas()}
    documents["asyncapi.json"] = asyncapi()
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"wrote {len(documents)} documents to {directory}", err=True)
