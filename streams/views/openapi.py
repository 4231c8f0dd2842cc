"""The API described: OpenAPI 3.1, made from one table of routes and the models of the documents.

In: nothing. Out: the document at `/api/openapi.json`.
"""

from functools import cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.scalars import ID_LENGTH_MAX
from streams.views import api_models as models
from streams.views.answers_port import ROWS_PER_PAGE_MAX


class Route(NamedTuple):
    """A question that can be asked; parameters by name, see `PARAMETERS`."""

    path: str
    summary: str
    answer: type[BaseModel]
    query: tuple[str, ...] = ()


ROUTES: Final = (
    Route("/healthz", "Whether this process has caught up", models.Health),
    Route("/api/channels", "Channels, page by page", models.Channels, ("after", "limit", "find")),
    Route("/api/channels/{channel}", "A channel", models.Channel),
    Route(
        "/api/channels/{channel}/standings",
        "Where everybody stands, page by page",
        models.Standings,
        ("after", "limit"),
    ),
    Route(
        "/api/channels/{channel}/decisions",
        "A channel's decisions in short, newest first",
        models.Decisions,
        ("before", "limit"),
    ),
    Route("/api/channels/{channel}/decisions/{state_version}", "A decision", models.Decision),
    Route("/api/channels/{channel}/assignees/{assignee_id}", "An assignee", models.Assignee),
    Route(
        "/api/channels/{channel}/assignees/{assignee_id}/assignments",
        "What was assigned to somebody, newest first",
        models.Assignments,
        ("before", "limit"),
    ),
    Route("/api/leads/{lead_id}", "Who got a lead, and why", models.Lead, ("channel",)),
    Route("/api/operations", "Lag, delays, dispatchers, dead letters", models.Operations),
)
"""Every answer also may be an `Error`; see `REFUSALS`."""

_ID: Final = {"type": "string", "minLength": 1, "maxLength": ID_LENGTH_MAX}
_TEXT: Final = {"type": "string", "maxLength": ID_LENGTH_MAX}
_VERSION: Final = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}

PARAMETERS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "channel": (_ID, "a channel's name, percent-encoded"),
    "assignee_id": (_ID, "percent-encoded"),
    "lead_id": (_ID, "percent-encoded"),
    "state_version": (_VERSION, "of the channel"),
    "after": (_TEXT, "only what comes after this in order of name"),
    "before": (_VERSION, "only what is older than this"),
    "limit": ({"type": "integer", "minimum": 1}, "rows of a page at most"),
    "find": (_TEXT, "only names that contain this, in any case"),
}

REFUSALS: Final = {
    400: "the question is wrong",
    401: "no token, or a wrong one",
    403: "asked under a name that this server doesn't go by",
    404: "not there",
    421: "another process reads this channel's partition",
    503: "catching up: ask again",
}

_REFERENCE: Final = "#/components/schemas/{model}"


@cache
def document(channels_per_page_max: int) -> dict[str, Any]:
    """The OpenAPI document; how many channels may be asked for at once is a setting."""
    answers = [(route.answer, "serialization") for route in ROUTES]
    _, schemas = models_json_schema(
        [*answers, (models.Error, "serialization")],  # type: ignore[list-item] # literals
        ref_template=_REFERENCE,
    )
    paths: dict[str, Any] = {route.path: {"get": _operation(route)} for route in ROUTES}
    for path, item in paths.items():
        for parameter in item["get"]["parameters"]:
            if parameter["name"] == "limit":
                most = channels_per_page_max if path == "/api/channels" else ROWS_PER_PAGE_MAX
                parameter["schema"] = {**parameter["schema"], "maximum": most}
    paths["/api/live"] = {"get": _live()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Partidor views",
            "version": version("partidor"),
            "description": "Who received what against their fair share. Read-only.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _live() -> dict[str, Any]:
    """Events don't end, so a test that asks whatever is described leaves this one out."""
    events = {"text/event-stream": {"schema": {"type": "string"}}}
    return {
        "summary": "Server-sent events: channels that changed, and their state versions",
        "parameters": [_parameter("channel", "query")],
        "responses": {
            "200": {
                "description": 'events "changed", {"state_versions": {...}}',
                "content": events,
            },
            **{str(status): _refusal(status) for status in REFUSALS},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    parameters = [_parameter(name, "path") for name in parts]
    parameters += [_parameter(name, "query") for name in route.query]
    answers = {"200": _content("as asked for", route.answer)}
    answers.update({str(status): _refusal(status) for status in REFUSALS})
    if route.path == "/healthz":
        answers["503"] = _content(REFUSALS[503], route.answer)
    return {"summary": route.summary, "parameters": parameters, "responses": answers}


def _parameter(name: str, where: str) -> dict[str, Any]:
    # A channel may also narrow down where a lead is looked for.
    schema, description = PARAMETERS[name]
    if where == "query" and name == "channel":
        schema, description = _TEXT, "only in this channel"
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": schema,
        "description": description,
    }


def _refusal(status: int) -> dict[str, Any]:
    refusal = _content(REFUSALS[status], models.Error)
    if status == 400:
        # Nothing has read the question then, so the server's own words are the answer.
        refusal["description"] += "; as text: it is longer than 8,190 bytes, or isn't HTTP"
        refusal["content"]["text/plain"] = {"schema": {"type": "string"}}
    return refusal


def _content(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
