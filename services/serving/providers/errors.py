"""What upstreams say of their errors, in the format that clients of OpenAI's protocol read."""

import math
from collections.abc import Mapping
from dataclasses import replace

import orjson

from services.serving.domain.body import JsonObject
from services.serving.providers.upstream import ErrorReply


def error_body(message: str, kind: str) -> bytes:
    """An error in OpenAI's format; `kind` is the upstream's own word for it."""
    error = {"message": message, "type": kind, "param": None, "code": kind}
    return orjson.dumps({"error": error})


def error_tree(body: bytes) -> JsonObject:
    """The JSON object of an error; empty when it is none."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return tree if isinstance(tree, dict) else {}


def openai_error(body: bytes) -> bytes:
    """The error of a server that speaks OpenAI's protocol: as it is, unless its shape is one of its own.

    Some servers say `{"error": "..."}`, some the error without its envelope, some `{"detail": ...}`.

    >>> openai_error(b'{"object":"error","message":"No.","type":"invalid_request_error","code":"1"}')
    b'{"error":{"message":"No.","type":"invalid_request_error","param":null,"code":"1"}}'
    """
    tree = error_tree(body)
    match tree:
        case {"error": dict()}:
            return body
        case {"error": str(message), **more}:
            return error_body(message, str(more.get("code") or "upstream_error"))
        case {"message": told} | {"detail": told}:
            error = {
                "message": told if isinstance(told, str) else orjson.dumps(told).decode(),
                "type": tree.get("type") or "upstream_error",
                "param": tree.get("param"),
                "code": tree.get("code"),
            }
            return orjson.dumps({"error": error})
        case _:
            return body


def in_openais_format(reply: ErrorReply) -> ErrorReply:
    """The same reply, its error as `openai_error` gives it."""
    return replace(reply, body=openai_error(reply.body))


def wait_headers(seconds: float) -> Mapping[str, str]:
    """The headers that tell a client when to come back.

    >>> wait_headers(34.07)
    {'retry-after': '35', 'retry-after-ms': '34070'}
    """
    return {
        "retry-after": str(math.ceil(seconds)),
        "retry-after-ms": str(math.ceil(round(seconds * 1000, 3))),
    }
