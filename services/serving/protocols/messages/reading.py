"""A body as a Messages request."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.prompted import names_prompt
from services.serving.domain.request import Kind, Request, model_faults, refuse, request_of
from services.serving.protocols.faults import (
    FLAG,
    LIST,
    NUMBER,
    OBJECT,
    Type,
    type_faults,
)

_TYPES: Mapping[str, Type] = {
    "system": ((str, list), "a string or a list of text blocks"),
    "stream": FLAG,
    "stop_sequences": LIST,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "tools": LIST,
    "tool_choice": OBJECT,
    "thinking": OBJECT,
    "output_config": OBJECT,
}


def message_request(body: Body) -> Request:
    """A Messages request. Raises `Invalid` with every fault."""
    faults = [*model_faults(body.tree), *_message_faults(body.tree), *_bound_faults(body.tree)]
    refuse([*faults, *type_faults(body.tree, _TYPES)])
    return request_of(Kind.MESSAGE, body)


def count_request(body: Body) -> Request:
    """A Messages request whose tokens are to be counted: it sets no bound, and streams nothing."""
    faults = [*model_faults(body.tree), *_message_faults(body.tree)]
    refuse([*faults, *type_faults(body.tree, _TYPES)])
    return replace(request_of(Kind.MESSAGE, body), streaming=False)


def _message_faults(tree: JsonObject) -> Iterable[str]:
    messages = tree.get("messages")
    if not messages and names_prompt(tree):
        return  # a prompt may be all that is said
    if not isinstance(messages, list) or not messages:
        yield "'messages' must be a list of messages, and not empty"
        return
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            yield f"'messages[{place}]' must be an object with a 'role'"
            return


def _bound_faults(tree: JsonObject) -> Iterable[str]:
    bound = tree.get("max_tokens")
    if bound is None and names_prompt(tree):
        return  # and it may set the bound
    if type(bound) is not int or bound < 1:
        yield "'max_tokens' must be a whole number from 1"
