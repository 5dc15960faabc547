"""What the HTTP API of a process is, as OpenAPI 3.1: one table of every route, and the document made of it.

docs/api.md tells the fields; here is what a client generator or a fuzzer needs: paths, keys' scopes, what is required, and
what comes back. Every object may hold more than is named: unknown fields go to providers as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.http import JSONResponse

PATH = "/v1/openapi.json"

Json = dict[str, Any]
Fields = Mapping[str, str]

JSON, FORM, EVENTS, BYTES, TEXT = (
    "application/json",
    "multipart/form-data",
    "text/event-stream",
    "application/octet-stream",
    "text/plain",
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: what it does, the scope its key needs (empty: no key), and what goes in and out.

    `required` and `known` are fields of its body by their JSON types; `takes` and `gives` are media types.
    """

    summary: str
    scope: str = "serve"
    required: Fields = field(default_factory=dict)
    known: Fields = field(default_factory=dict)
    takes: Sequence[str] = ()
    gives: Sequence[str] = (JSON,)
    status: int = 200
    query: Sequence[str] = ()


def _asks(summary: str, required: Fields, known: Fields | None = None, *more: str) -> Operation:
    return Operation(
        summary, "serve", {"model": "string", **required}, known or {}, (JSON,), (JSON, *more)
    )


def _form(summary: str, required: Fields, *more: str) -> Operation:
    return Operation(
        summary, "serve", {"model": "string", **required}, {}, (FORM, JSON), (JSON, *more)
    )


def _lists(summary: str, scope: str = "read") -> Operation:
    return Operation(summary, scope, query=("tenant", "limit", "after"))


def _makes(summary: str, required: Fields) -> Operation:
    return Operation(summary, "admin", required, {}, (JSON,), status=201)


def _tells(summary: str, scope: str, *takes: str) -> Operation:
    return Operation(summary, scope, takes=takes or (JSON,))


_CHAT: Fields = {"stream": "boolean", "metadata": "object"}
_REGISTRY = "/v1/registry"

OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/chat/completions": _asks("Answer a chat", {"messages": "array"}, _CHAT, EVENTS),
    "POST /v1/completions": _asks("Complete a text", {"prompt": "any"}, _CHAT, EVENTS),
    "POST /v1/responses": _asks("Answer a response", {"input": "any"}, _CHAT, EVENTS),
    "POST /v1/messages": _asks(
        "Answer a chat of Anthropic's protocol",
        {"messages": "array", "max_tokens": "integer"},
        _CHAT,
        EVENTS,
    ),
    "POST /v1/messages/count_tokens": _asks("Count a request's tokens", {"messages": "array"}),
    "POST /v1/embeddings": _asks("Embed texts", {"input": "any"}),
    "POST /v1/images/generations": _asks(
        "Draw", {"prompt": "string"}, {"stream": "boolean"}, EVENTS
    ),
    "POST /v1/images/edits": _form("Change a picture", {"prompt": "string"}, EVENTS),
    "POST /v1/images/variations": _form("Vary a picture", {}),
    "POST /v1/audio/speech": _asks("Speak", {"input": "string"}, {"voice": "any"}, BYTES, EVENTS),
    "POST /v1/audio/transcriptions": _form("Write down what is heard", {}, EVENTS, TEXT),
    "POST /v1/audio/translations": _form("Write down what is heard, in English", {}, TEXT),
    "POST /v1/moderations": _asks("Judge a text", {"input": "any"}),
    "POST /v1/files": Operation("Put a batch's file", "serve", {"purpose": "string"}, {}, (FORM,)),
    "GET /v1/files/{id}": Operation("Tell of a file"),
    "DELETE /v1/files/{id}": Operation("Delete a file"),
    "GET /v1/files/{id}/content": Operation("Read a file", gives=("application/jsonl",)),
    "POST /v1/batches": Operation(
        "Begin a batch", "serve", {"input_file_id": "string", "endpoint": "string"}, {}, (JSON,)
    ),
    "GET /v1/batches/{id}": Operation("Tell of a batch"),
    "POST /v1/batches/{id}/cancel": Operation("End a batch"),
    "GET /v1/models": Operation("List the models that the key may ask"),
    "GET /v1/models/{id}": Operation("Tell of a model"),
    "GET /v1/health": Operation("Whether serving is well", ""),
    "GET /v1/serving/upstreams": Operation("How upstreams are", "admin"),
    "DELETE /v1/serving/cache": Operation("Forget answers", "admin", query=("tenant", "user")),
    "POST /v1/serving/reload": Operation("Read the configuration again", "admin", status=202),
    "POST /v1/interactions": _tells("Tell calls that were made elsewhere", "ingest"),
    "POST /v1/spans": _tells("Tell spans", "ingest"),
    "POST /v1/traces": _tells("Tell spans as OTLP", "ingest", "application/x-protobuf", JSON),
    "POST /v1/feedback": _tells("Tell feedback", "feedback"),
    f"GET {_REGISTRY}/tenants": _lists("List tenants"),
    f"POST {_REGISTRY}/tenants": _makes("Make a tenant", {"tenant": "string"}),
    f"GET {_REGISTRY}/projects": _lists("List projects"),
    f"POST {_REGISTRY}/projects": _makes("Make a project", {"project": "string"}),
    f"GET {_REGISTRY}/environments": _lists("List environments"),
    f"POST {_REGISTRY}/environments": _makes("Make an environment", {"environment": "string"}),
    f"GET {_REGISTRY}/keys": _lists("List keys"),
    f"POST {_REGISTRY}/keys": _makes("Make a key", {"name": "string", "scopes": "array"}),
    f"DELETE {_REGISTRY}/keys/{{key_id}}": Operation("Revoke a key", "admin"),
    f"POST {_REGISTRY}/keys/{{key_id}}/rotate": _makes("Rotate a key", {}),
    f"GET {_REGISTRY}/models": _lists("List models and their routes"),
    f"GET {_REGISTRY}/providers": _lists("List providers"),
    f"GET {_REGISTRY}/stops": _lists("List what is stopped"),
    f"POST {_REGISTRY}/stops": _makes("Stop calls", {"what": "string"}),
    f"DELETE {_REGISTRY}/stops/{{stop_id}}": Operation("Serve again what was stopped", "admin"),
    "GET /healthz": Operation("The process answers", "", gives=(TEXT,)),
    "GET /readyz": Operation("It may be sent requests", "", gives=(TEXT,)),
    f"GET {PATH}": Operation("This document", ""),
}
"""Every route of the API, by its method and path."""


def description_route(routes: Sequence[BaseRoute]) -> Route:
    """The route that tells of these routes, and of itself."""
    named = [name for route in routes if isinstance(route, Route) for name in names_of(route)]
    described = document([*named, "GET /healthz", "GET /readyz", f"GET {PATH}"])

    async def tell(_: Request) -> Response:
        return JSONResponse(described)

    return Route(PATH, tell, methods=["GET"])


def names_of(route: Route) -> Iterator[str]:
    """A route by each of its methods."""
    for method in sorted((route.methods or set()) - {"HEAD"}):
        yield f"{method} {route.path_format}"


def document(names: Sequence[str]) -> Json:
    """The OpenAPI document of the routes that are in the table."""
    paths: dict[str, Json] = {}
    for name in names:
        if name in OPERATIONS:
            method, path = name.split()
            paths.setdefault(path, {})[method.lower()] = _told(path, OPERATIONS[name])
    return {
        "openapi": "3.1.0",
        "info": {"title": "Leeway", "version": "1"},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {"Error": _ERROR},
        },
    }


def _told(path: str, operation: Operation) -> Json:
    schema: Json = {"schema": {"type": "object"}}
    body = {"content": {kind: {"schema": _body(operation)} for kind in operation.takes}}
    answer = {kind: schema if kind == JSON else {} for kind in operation.gives}
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    security: list[Json] = [{"bearer": []}, {"key": []}] if operation.scope else [{}]
    return {
        "summary": operation.summary,
        **({"description": f"Scope: {operation.scope}."} if operation.scope else {}),
        "security": security,
        "parameters": [*_in_path(path), *_in_query(operation.query)],
        **({"requestBody": {"required": True, **body}} if operation.takes else {}),
        "responses": {
            str(operation.status): {"description": "Done.", "content": answer},
            "default": {"description": "An error.", "content": {JSON: error}},
        },
    }


def _body(operation: Operation) -> Json:
    fields = {**operation.required, **operation.known}
    properties = {name: {} if kind == "any" else {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": list(operation.required)}


def _in_path(path: str) -> Iterator[Json]:
    for part in path.split("/"):
        if part.startswith("{"):
            yield {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(names: Sequence[str]) -> Iterator[Json]:
    for name in names:
        kind = "integer" if name == "limit" else "string"
        yield {"name": name, "in": "query", "schema": {"type": kind}}


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "faults": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
