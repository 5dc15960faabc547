"""A completion's request as a chat completion's: the prompt is what the user says."""

from typing import Any

from services.serving.domain.body import JsonObject
from services.serving.protocols.faults import refuse_others, refuse_unsupported, unsupported

DEFAULT_MAX_TOKENS = 16  # OpenAI's API reference, "Create completion"

_AS_THEY_ARE = (
    *("model", "temperature", "top_p", "n", "stop", "seed", "user", "logit_bias"),
    *("presence_penalty", "frequency_penalty", "stream", "stream_options"),
)
# What works on the tokens of a text that goes on: a chat answers it instead.
_OF_A_TEXT = ("suffix", "echo", "logprobs", "best_of")
_CARRIED = frozenset((*_AS_THEY_ARE, *_OF_A_TEXT, "prompt", "max_tokens", "metadata"))


def chat_request(tree: JsonObject) -> JsonObject:
    """The chat completion's request that asks the same. Raises `Invalid` for what a chat cannot carry."""
    refuse_others(tree, _CARRIED)
    refuse_unsupported(name for name in _OF_A_TEXT if _changes(name, tree.get(name)))
    bound = tree.get("max_tokens")
    return {
        "messages": [{"role": "user", "content": _text(tree["prompt"])}],
        "max_completion_tokens": DEFAULT_MAX_TOKENS if bound is None else bound,
        **{name: tree[name] for name in _AS_THEY_ARE if tree.get(name) is not None},
    }


def _changes(name: str, value: Any) -> bool:
    """Whether the value asks for more than leaving it away. No log probabilities of others are 0 of them."""
    if name == "logprobs":
        return value is not None and value is not False
    return bool(value) and not (name == "best_of" and value == 1)


def _text(prompt: Any) -> str:
    match prompt:
        case str(text) | [str(text)]:
            return text
        case _:
            raise unsupported("'prompt' is not one text", param="prompt")
