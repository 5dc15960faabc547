"""A rail: a guard in the path, as one policy put it there."""

from dataclasses import dataclass

from services.serving.domain.verdict import Action
from services.serving.guards.port import Guard
from services.serving.guards.utterances import Voice


@dataclass(frozen=True, slots=True)
class Rail:
    """A guard, what it is called, what is done about what it finds, and whose texts it looks at.

    `latest`: of each request only the last of those texts.
    """

    kind: str
    action: Action
    guard: Guard
    voices: frozenset[Voice] = frozenset(Voice)
    latest: bool = False
