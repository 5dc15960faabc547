"""The limits at the gate: what a call needs of them is taken before anything is asked, and settled when it ends."""

from services.serving.domain.gate import End, Entry
from services.serving.limits.bounds import KnownBounds
from services.serving.limits.limiter import Held, Limiter
from services.serving.limits.reserving import input_estimate, reserved_tokens, used_tokens
from shared.live import LiveView


class LimitsHeld:
    """A call fits into every limit of its tenant, project, key and model; satisfies `Check`."""

    def __init__(self, live: LiveView, limiter: Limiter) -> None:
        self._live = live
        self._limiter = limiter
        self._known = KnownBounds()

    async def admit(self, entry: Entry) -> Entry:
        """The entry with its hold and the headers that tell of its limits. Raises `Limited`."""
        caller, request = entry.caller, entry.request
        policies = self._live.policies(caller, request.model)
        bounds = self._known.of(policies, caller, request.model)
        if bounds is None:
            return entry
        read = tokens = 0
        if bounds.tokens:
            read = input_estimate(request)
            tokens = reserved_tokens(request, read)
        held = await self._limiter.take(bounds, tokens)
        return entry.holding(_Hold(self._limiter, held, read, tokens)).telling(held.headers)


class _Hold:
    """What one call holds of its limits; satisfies `Hold`."""

    def __init__(self, limiter: Limiter, held: Held, read: int, tokens: int) -> None:
        self._limiter = limiter
        self._held = held
        self._read = read
        self._tokens = tokens

    async def settle(self, end: End) -> None:
        if end.interaction is None:
            await self._limiter.undo(self._held)
            return
        used = used_tokens(end.interaction, self._read, self._tokens)
        await self._limiter.settle(self._held, used)
