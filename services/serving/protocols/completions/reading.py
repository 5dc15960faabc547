"""A body as a completion's request."""

from collections.abc import Iterable, Mapping

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.request import (
    MAX_CHOICES,
    Kind,
    Request,
    model_faults,
    refuse,
    request_of,
)
from services.serving.protocols.faults import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    Type,
    type_faults,
)

_TYPES: Mapping[str, Type] = {
    "max_tokens": COUNT,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "stream": FLAG,
    "stream_options": OBJECT,
    "echo": FLAG,
    "suffix": TEXT,
}


def completion_request(body: Body) -> Request:
    """A completion's request. Raises `Invalid` with every fault."""
    faults = [*model_faults(body.tree), *_prompt_faults(body.tree)]
    refuse([*faults, *type_faults(body.tree, _TYPES)])
    return request_of(Kind.COMPLETION, body)


def _prompt_faults(tree: JsonObject) -> Iterable[str]:
    prompt = tree.get("prompt")
    if not isinstance(prompt, str | list) or prompt == []:
        yield "'prompt' must be a string, or a list of strings or tokens that is not empty"
    choices = tree.get("n")
    if choices is not None and (type(choices) is not int or not 1 <= choices <= MAX_CHOICES):
        yield f"'n' must be a whole number from 1 to {MAX_CHOICES}"
