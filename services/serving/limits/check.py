"""The limits at the gate: what a call needs of them is taken before anything is asked, and settled when it ends."""

from dataclasses import replace

from services.serving.domain.gate import End, Entry
from services.serving.limits.bounds import KnownBounds
from services.serving.limits.limiter import Held, Limiter
from services.serving.limits.reserving import Reserved, reserved_for, used_tokens
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
        reserved = reserved_for(request) if bounds.tokens else _NOTHING
        held = await self._limiter.take(bounds, reserved.tokens)
        hold = _Hold(self._limiter, held, reserved)
        # One copy where `holding` and `telling` would make two: every call pays for it.
        return replace(entry, holds=(*entry.holds, hold), headers={**entry.headers, **held.headers})


class _Hold:
    """What one call holds of its limits; satisfies `Hold`."""

    def __init__(self, limiter: Limiter, held: Held, reserved: Reserved) -> None:
        self._limiter = limiter
        self._held = held
        self._reserved = reserved

    async def settle(self, end: End) -> None:
        if end.interaction is None:
            await self._limiter.undo(self._held)
            return
        await self._limiter.settle(self._held, used_tokens(end.interaction, self._reserved))


_NOTHING = Reserved()
