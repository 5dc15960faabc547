"""Where each interaction of a batch ran: from memory, and the older ones from the archive."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

import structlog

from services.drift.whereabouts import Place, Subject, Whereabouts
from shared.clock import Clock
from shared.errors import Unavailable

log = structlog.get_logger()

PATIENCE_SECONDS = 30.0  # longer than the store takes to start beside us


class Archive(Protocol):
    """Every interaction that was ever stored."""

    async def places(self, subjects: Collection[Subject]) -> Mapping[Subject, Place]:
        """Where these interactions ran: those of them that are known and could be found in time.

        Raises `Unavailable` when it does not answer at all.
        """
        ...


class Places:
    """Finds where interactions ran, however long ago.

    What memory no longer holds is asked of the archive, once for a whole batch. While the archive does
    not answer the batch waits and is tried again; after `PATIENCE_SECONDS` of silence it goes on without,
    so that one store which is down holds up no drift of anything else: what cannot be placed meanwhile is
    watched as of an unknown model, and never moved.
    """

    def __init__(self, recent: Whereabouts, archive: Archive, clock: Clock) -> None:
        self._recent = recent
        self._archive = archive
        self._clock = clock
        self._silent_since: float | None = None

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Begin anew from the stored states."""
        self._recent.restore(states)

    def remember(self, entries: Iterable[tuple[Subject, Place]]) -> dict[str, bytes | None]:
        """Add places: the states that changed."""
        return self._recent.remember(entries)

    async def find(self, subjects: Collection[Subject]) -> dict[Subject, Place]:
        """The places that are known of these. Raises `Unavailable` while it is worth waiting."""
        recent = {subject: self._recent.find(subject) for subject in subjects}
        found = {subject: place for subject, place in recent.items() if place is not None}
        older = recent.keys() - found.keys()
        return {**found, **await self._ask(older)} if older else found

    async def _ask(self, subjects: Collection[Subject]) -> Mapping[Subject, Place]:
        try:
            places = await self._archive.places(subjects)
        except Unavailable as fault:
            now = self._clock.monotonic()
            self._silent_since = now if self._silent_since is None else self._silent_since
            if now - self._silent_since < PATIENCE_SECONDS:
                raise
            log.warning("drift.unplaced", feedback=len(subjects), reason=fault.message)
            return {}
        self._silent_since = None
        return places
