"""A body as a Responses request."""

from collections.abc import Iterable, Mapping

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.prompted import names_prompt
from services.serving.domain.request import Kind, Request, model_faults, refuse, request_of
from services.serving.protocols.faults import (
    COUNT,
    FLAG,
    LIST,
    NUMBER,
    OBJECT,
    TEXT,
    Type,
    type_faults,
)

_TYPES: Mapping[str, Type] = {
    "instructions": TEXT,
    "stream": FLAG,
    "stream_options": OBJECT,
    "background": FLAG,
    "store": FLAG,
    "max_output_tokens": COUNT,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "parallel_tool_calls": FLAG,
    "tools": LIST,
    "tool_choice": ((str, dict), "a string or an object"),
    "text": OBJECT,
    "reasoning": OBJECT,
    "include": LIST,
    "previous_response_id": TEXT,
}


def response_request(body: Body) -> Request:
    """A Responses request. Raises `Invalid` with every fault."""
    faults = [*model_faults(body.tree), *_input_faults(body.tree)]
    refuse([*faults, *type_faults(body.tree, _TYPES)])
    return request_of(Kind.RESPONSE, body)


def _input_faults(tree: JsonObject) -> Iterable[str]:
    given = tree.get("input")
    if not given and names_prompt(tree):
        return  # a prompt may be all that is said
    if not isinstance(given, str | list) or not given:
        yield "'input' must be a string or a list of items, and not empty"
        return
    for place, item in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(item, dict):
            yield f"'input[{place}]' must be an object"
            return
