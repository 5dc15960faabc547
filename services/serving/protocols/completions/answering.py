"""A chat's answer, or a chunk of it, as a completion's."""

from services.serving.domain.body import JsonObject
from services.serving.domain.failure import malformed
from services.serving.domain.usage import chat_counts
from services.serving.protocols.passages import choices_of, number_in, word_in
from shared.interactions import Usage


def completion_reply(
    tree: JsonObject, usage: Usage | None, _: JsonObject, upstream: str
) -> JsonObject:
    """The completion that says what a chat says. Raises `UpstreamFailed` when there is no message."""
    said = choices_of(tree)
    if not said or not all(isinstance(choice.get("message"), dict) for choice in said):
        raise malformed(upstream, "answered without a message")
    told = [
        completion_choice(place, choice, _text(choice["message"]))
        for place, choice in enumerate(said)
    ]
    counts = {} if usage is None else {"usage": chat_counts(usage)}
    return {**completion_head(tree), "choices": told, **counts}


def completion_head(tree: JsonObject) -> JsonObject:
    """What a completion and each of its chunks begins with."""
    return {
        "id": word_in(tree, "id"),
        "object": "text_completion",
        "created": number_in(tree, "created"),
        "model": word_in(tree, "model"),
    }


def completion_choice(place: int, choice: JsonObject, text: str) -> JsonObject:
    """One choice, with its text or a piece of it."""
    return {
        "text": text,
        "index": number_in(choice, "index", place),
        "logprobs": None,
        "finish_reason": word_in(choice, "finish_reason") or None,
    }


def _text(message: JsonObject) -> str:
    """What a message says: a refusal is said, too."""
    return "".join(word_in(message, member) for member in ("content", "refusal"))
