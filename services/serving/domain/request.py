"""What a client asks: its model, whether it streams, its metadata; the rest is not ours to touch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.passage import Passage
from services.serving.domain.prompted import names_prompt
from shared.errors import Invalid

PRIVATE_PREFIX = "leeway_"
MAX_MODEL_CHARS = 256
MAX_CHOICES = 128


class Kind(StrEnum):
    """What kind of interaction a request begins: each is asked in a protocol of its own."""

    CHAT = "chat"
    COMPLETION = "completion"
    RESPONSE = "response"
    MESSAGE = "message"
    EMBEDDING = "embedding"
    IMAGE = "image"
    AUDIO = "audio"
    MODERATION = "moderation"


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request.

    `metadata` holds its string pairs, private ones (`leeway_...`) included; `body` is what may be
    sent on, without them. `wants_usage` says whether the client asked for a stream's usage chunk.
    `headers` are those of the client that go on to an upstream of the same protocol. `passage` is how one is
    passed through that is no conversation; `body` then says what of its form is text.
    """

    kind: Kind
    model: str
    body: Body
    metadata: Mapping[str, str]
    streaming: bool = False
    wants_usage: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    passage: Passage | None = None

    def replaced(self, members: JsonObject) -> "Request":
        """The same request with some members of its body replaced or added."""
        return replace(self, body=self.body.changed(members))

    @property
    def input_text(self) -> str:
        """The last thing the user said, or the text to complete, to embed, to draw or to speak."""
        said = self.body.tree.get(_SAID[self.kind])
        if isinstance(said, str):
            return said
        items = said if isinstance(said, list) else []
        if self.kind in (Kind.EMBEDDING, Kind.COMPLETION, Kind.MODERATION):
            return "\n".join(item for item in items if isinstance(item, str))
        spoken = (item for item in reversed(items) if isinstance(item, dict))
        return message_text(next((item for item in spoken if item.get("role") == "user"), {}))

    @property
    def user(self) -> str:
        """The end user as OpenAI's own fields name one; empty for none."""
        named = (self.body.tree.get(name) for name in ("user", "safety_identifier"))
        return next((name for name in named if isinstance(name, str) and name), "")

    @property
    def input_messages(self) -> str:
        """The messages as JSON, as the client wrote them; the system's, where it stands apart, before them."""
        said = self.body.raw("messages" if self.kind is not Kind.RESPONSE else "input")
        system = self.body.raw("system" if self.kind is Kind.MESSAGE else "instructions")
        if not said or self.kind not in (Kind.MESSAGE, Kind.RESPONSE):
            return said
        if not said.startswith("["):
            said = f'[{{"role":"user","content":{said}}}]'
        if not system or system == "null":
            return said
        rest = said[1:].lstrip()
        comma = "" if rest.startswith("]") else ","
        return f'[{{"role":"system","content":{system}}}{comma}{rest}'

    @property
    def options(self) -> str:
        """Every other field of the request, as a JSON object; empty when there is none."""
        rest = self.body.without(_NOT_OPTIONS | _APART.get(self.kind, frozenset()))
        return rest.rewritten({}).decode() if rest.members else ""


def chat_request(body: Body) -> Request:
    """A chat completion's request. Raises `Invalid` with every fault."""
    refuse([*model_faults(body.tree), *_message_faults(body.tree), *_option_faults(body.tree)])
    return request_of(Kind.CHAT, body)


def embedding_request(body: Body) -> Request:
    """An embedding's request. Raises `Invalid` with every fault."""
    faults = list(model_faults(body.tree))
    given = body.tree.get("input")
    if not isinstance(given, str | list) or not given:
        faults.append("'input' must be a string or a list, and not empty")
    refuse(faults)
    return replace(request_of(Kind.EMBEDDING, body), streaming=False, wants_usage=False)


def request_of(kind: Kind, body: Body) -> Request:
    """The request of a body in which nothing that every kind has is wrong (`model_faults`)."""
    options = body.tree.get("stream_options")
    return Request(
        kind=kind,
        model=body.tree.get("model") or "",
        body=_public(body),
        metadata=_metadata(body.tree),
        streaming=bool(body.tree.get("stream")),
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def message_text(message: JsonObject) -> str:
    """The text of one message: its content, or its content's text parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def refuse(faults: Sequence[str]) -> None:
    """Raise `Invalid` with every fault, if there is one."""
    if faults:
        raise Invalid(f"The request is wrong: {'; '.join(faults)}.", faults=tuple(faults))


def model_faults(tree: JsonObject) -> Iterable[str]:
    """What is wrong with the fields that every kind of request has."""
    model = tree.get("model")
    unsaid = model is None and names_prompt(tree)  # the prompt says it
    if not unsaid and (not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_CHARS):
        yield f"'model' must be a name of 1 to {MAX_MODEL_CHARS} characters"
    if not isinstance(tree.get("metadata"), dict | None):
        yield "'metadata' must be an object"


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


def _option_faults(tree: JsonObject) -> Iterable[str]:
    if not isinstance(tree.get("stream"), bool | None):
        yield "'stream' must be true or false"
    if not isinstance(tree.get("stream_options"), dict | None):
        yield "'stream_options' must be an object"
    choices = tree.get("n", 1)
    if choices is not None and (type(choices) is not int or not 1 <= choices <= MAX_CHOICES):
        yield f"'n' must be a whole number from 1 to {MAX_CHOICES}"


def _metadata(tree: JsonObject) -> dict[str, str]:
    pairs = tree.get("metadata") or {}
    return {name: value for name, value in pairs.items() if isinstance(value, str)}


def _public(body: Body) -> Body:
    """The body without the private pairs of its metadata."""
    pairs = body.tree.get("metadata") or {}
    if not any(name.startswith(PRIVATE_PREFIX) for name in pairs):
        return body
    public = {name: pairs[name] for name in pairs if not name.startswith(PRIVATE_PREFIX)}
    return body.changed({"metadata": public}) if public else body.without(_METADATA)


_SAID: Mapping[Kind, str] = {
    Kind.CHAT: "messages",
    Kind.MESSAGE: "messages",
    Kind.RESPONSE: "input",
    Kind.COMPLETION: "prompt",
    Kind.EMBEDDING: "input",
    Kind.IMAGE: "prompt",
    Kind.AUDIO: "input",
    Kind.MODERATION: "input",
}
_APART: Mapping[Kind, frozenset[str]] = {
    Kind.MESSAGE: frozenset(("system",)),
    Kind.RESPONSE: frozenset(("instructions",)),
    Kind.COMPLETION: frozenset(("prompt",)),
    Kind.IMAGE: frozenset(("prompt",)),
}
_METADATA = frozenset(("metadata",))
_NOT_OPTIONS = frozenset(("model", "messages", "input", "stream", "metadata"))
