"""A prompt as requests name it, and the port of where prompts are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.serving.domain.body import JsonObject


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt; `{{name}}` in its content stands for a variable."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a prompt, and what is asked with it unless the request says otherwise.

    `model` is a public name, empty where the request must say one; `parameters`, `tools` and
    `response_format` are those of OpenAI's chat completions, whatever protocol the client speaks.
    """

    messages: Sequence[Message]
    model: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[JsonObject] = ()
    response_format: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of a tenant: its versions by number, and the numbers that its labels stand for."""

    name: str
    versions: Mapping[int, Version]
    labels: Mapping[str, int] = field(default_factory=dict)


class PromptSource(Protocol):
    """Where prompts are kept, as far as this process knows now."""

    def prompt(self, tenant: str, name: str) -> Prompt | None:
        """The prompt of a tenant; it answers from memory, and what it answers is whole and never changes."""
        ...


class NoPrompts:
    """An installation without prompts; satisfies `PromptSource`."""

    def prompt(self, tenant: str, name: str) -> Prompt | None:
        """None: there is no prompt at all."""
        del tenant, name
        return None
