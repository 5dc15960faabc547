"""The attempts of one call, at one upstream after another or at two at once, as they happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.interactions import AttemptMade
from shared.live import Route


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """An attempt that has not ended."""

    route: Route
    started_at: datetime
    key: str
    hedged: bool


class Trail:
    """What was tried, in the order in which it ended: the attempt that answered ends last, with its call."""

    def __init__(self) -> None:
        self._made: list[AttemptMade] = []
        self._open: list[Attempt] = []

    @property
    def made(self) -> Sequence[AttemptMade]:
        """The attempts that have ended."""
        return self._made

    @property
    def answering(self) -> Route | None:
        """The route whose attempt was opened last, and has not ended."""
        return self._open[-1].route if self._open else None

    def start(self, route: Route, now: datetime, *, key: str = "", hedged: bool = False) -> Attempt:
        """An upstream is about to be asked with a key, of which this is the fingerprint."""
        attempt = Attempt(route, now, key, hedged)
        self._open.append(attempt)
        return attempt

    def close(
        self,
        attempt: Attempt,
        now: datetime,
        status: str,
        *,
        http_status: int = 0,
        error_type: str = "",
        cost_usd: Decimal | None = None,
    ) -> None:
        """One attempt came to its end; `cost_usd` is what it cost, None when that is not known.

        It ends once: what is said of it later changes nothing.
        """
        if attempt not in self._open:
            return
        self._open.remove(attempt)
        self._made.append(
            AttemptMade(
                provider=attempt.route.provider,
                model=attempt.route.model,
                started_at=attempt.started_at,
                ended_at=now,
                status=status,
                http_status=http_status,
                error_type=error_type,
                cost_usd=cost_usd,
                key=attempt.key,
                hedged=attempt.hedged,
            )
        )

    def end(self, now: datetime, status: str, http_status: int = 0, error_type: str = "") -> None:
        """Every attempt that is open came to its end, and the call with it."""
        for attempt in list(self._open):
            self.close(attempt, now, status, http_status=http_status, error_type=error_type)
