"""The check that writes out the prompt which a request names."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from services.serving.domain.body import Body
from services.serving.domain.gate import Entry
from services.serving.domain.prompted import PROMPT_PREFIX
from services.serving.domain.request import Kind, Request, model_faults, refuse
from services.serving.prompts.port import Message, Prompt, PromptSource, Version
from services.serving.prompts.reference import Reference, reference_of
from services.serving.prompts.saying import SAYINGS
from services.serving.prompts.text import MAX_FILLED_CHARACTERS, filled, variables_of
from shared.errors import Invalid, NotFound

# A prompt that OpenAI keeps: only its own API knows what stands there.
_OF_THE_PROVIDER = "pmpt_"
_PROMPT = frozenset(("prompt",))
_MOST_DIGITS = 9


class PromptWritten:
    """A request that names a prompt asks what its version says, and then what the request itself says.

    `readers` read a body of each kind as a request, so that what is asked is held to its protocol as a whole.
    """

    def __init__(
        self, source: PromptSource, readers: Mapping[Kind, Callable[[Body], Request]]
    ) -> None:
        self._source = source
        self._readers = readers

    async def admit(self, entry: Entry) -> Entry:
        request = entry.request
        reference = _reference(request)
        if reference is None:
            return entry
        prompt = self._source.prompt(entry.caller.tenant, reference.name)
        if prompt is None and request.kind is Kind.RESPONSE and _is_the_providers(reference):
            refuse([*model_faults({**request.body.tree, "prompt": None})])
            return entry  # it stays in the body
        if prompt is None:
            raise NotFound(
                f"There is no prompt {reference.name[:128]!r} here.", code="prompt_not_found"
            )
        number = _number(prompt, reference)
        body = _written(request, prompt, number, reference)
        context = replace(entry.context, prompt_name=prompt.name, prompt_version=str(number))
        read = self._readers[request.kind](body)
        # What is private of the metadata stands no longer in the body.
        told = replace(read, metadata=request.metadata, headers=request.headers)
        return entry.changed(request=told, context=context)


def _reference(request: Request) -> Reference | None:
    reference = reference_of(request.body.tree)
    if reference is not None and request.kind not in SAYINGS:
        raise Invalid(
            f"A request of kind {request.kind} cannot name a prompt: "
            f"{', '.join(SAYINGS)} requests can.",
            param="model",
            code="unsupported_operation",
        )
    return reference


def _is_the_providers(reference: Reference) -> bool:
    return reference.name.startswith(_OF_THE_PROVIDER)


def _number(prompt: Prompt, reference: Reference) -> int:
    """The number of the version that is meant. Raises `NotFound`, which names those that there are."""
    name, wanted = prompt.name, reference.version
    numbered = wanted.isascii() and wanted.isdigit() and len(wanted) <= _MOST_DIGITS
    number = int(wanted) if numbered else prompt.labels.get(wanted, 0)
    if number in prompt.versions:
        return number
    if numbered:
        there = f"it has {_list(prompt.versions)}"
        raise NotFound(
            f"The prompt {name!r} has no version {wanted[:32]!r}: {there}.",
            code="prompt_version_not_found",
        )
    raise NotFound(
        f"The prompt {name!r} has no label {wanted[:64]!r}: it has {_list(prompt.labels)}.",
        code="prompt_label_not_found",
    )


def _written(request: Request, prompt: Prompt, number: int, reference: Reference) -> Body:
    version, tree = prompt.versions[number], request.body.tree
    called = f"The prompt {prompt.name!r}, version {number},"
    messages = _filled(version, reference.variables, called)
    model = tree.get("model")
    if not isinstance(model, str) or model.startswith(PROMPT_PREFIX):
        model = version.model
    if not model:
        raise Invalid(f"{called} says no model: 'model' must.", param="model")
    changes = SAYINGS[request.kind](version, messages, tree)
    return request.body.changed({**changes, "model": model}).without(_PROMPT)


def _filled(version: Version, variables: Mapping[str, str], called: str) -> Sequence[Message]:
    """The version's messages with the values in. Raises `Invalid` naming every variable that is amiss."""
    wanted = frozenset[str]().union(*(variables_of(each.content) for each in version.messages))
    faults = [f"'prompt.variables.{name}' is missing" for name in sorted(wanted - variables.keys())]
    faults += [
        f"'prompt.variables.{name[:64]}' is not one of {_list(wanted)}"
        for name in sorted(variables.keys() - wanted)
    ]
    if faults:
        raise Invalid(
            f"{called} is not filled: {'; '.join(faults)}.", faults=tuple(faults), param="prompt"
        )
    _refuse_too_long(version, variables, called)
    return [Message(each.role, filled(each.content, variables)) for each in version.messages]


def _refuse_too_long(version: Version, variables: Mapping[str, str], called: str) -> None:
    """A long value in many places is refused before it is written out."""
    longest = sum(
        each.content.count("{{") * max((len(value) for value in variables.values()), default=0)
        for each in version.messages
    )
    if longest > MAX_FILLED_CHARACTERS:
        raise Invalid(
            f"{called} is longer than {MAX_FILLED_CHARACTERS} characters with these variables.",
            param="prompt",
            status=413,
            code="body_too_large",
        )


def _list(names: Collection[object]) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "none"
