"""The one gate before every upstream: an ordered list of checks, each of which lets a call pass or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.serving.domain.body import JsonObject
from services.serving.domain.request import Request
from shared.errors import Denied, Invalid, NotFound
from shared.interactions import Context
from shared.live import Caller, LiveView


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed request at the gate: whose it is, what it asks, and what it belongs to."""

    interaction_id: str
    caller: Caller
    request: Request
    context: Context
    timeout_seconds: float | None = None


class Check(Protocol):
    """One condition that a call must meet before an upstream is asked."""

    async def admit(self, entry: Entry) -> Entry:
        """The entry, changed where the check changes what is asked (a redaction, a resolved prompt).

        Raises the `LeewayError` that refuses the call. Checks run in order, and each sees what the
        ones before it made of the entry; nothing has been asked, stored or spent yet.
        """
        ...


class Gate:
    """Every check in order; the first refusal is the answer."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks

    async def admit(self, entry: Entry) -> Entry:
        for check in self._checks:
            entry = await check.admit(entry)
        return entry


class ScopeHeld:
    """The key may call models."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def admit(self, entry: Entry) -> Entry:
        if self._scope not in entry.caller.scopes:
            raise Denied(f"The API key lacks the scope '{self._scope}'.")
        return entry


class EnvironmentKnown:
    """The environment that a call names is one of its tenant's."""

    def __init__(self, live: LiveView) -> None:
        self._live = live

    async def admit(self, entry: Entry) -> Entry:
        fault = self._live.misplaced(entry.caller, entry.context.environment)
        if fault:
            raise Invalid(f"environment: {fault}.", param="environment", code="unknown_environment")
        return entry


def refuse_unknown_model(tree: JsonObject, live: LiveView) -> None:
    """Raise `NotFound` for a model that is not live, whatever else is wrong with the request.

    OpenAI answers in this order; a name that is none is left to the reading of the fields.
    """
    model = tree.get("model")
    if isinstance(model, str) and model and model not in live.models:
        raise no_such_model(model)


def no_such_model(name: str) -> NotFound:
    """The refusal of a model name that is not live."""
    return NotFound(
        f"The model {name[:256]!r} does not exist here; GET /v1/models lists those that do.",
        code="model_not_found",
    )
