"""The attempts of one call, one upstream after another, as they happen."""

from collections.abc import Sequence
from datetime import datetime

from shared.interactions import AttemptMade
from shared.live import Route


class Trail:
    """At most one attempt is open at a time; ending the trail ends it too."""

    def __init__(self) -> None:
        self._made: list[AttemptMade] = []
        self._open: tuple[Route, datetime] | None = None

    @property
    def made(self) -> Sequence[AttemptMade]:
        """The attempts that have ended."""
        return self._made

    def start(self, route: Route, now: datetime) -> None:
        """An upstream is about to be asked."""
        self._open = (route, now)

    def end(self, now: datetime, status: str, http_status: int = 0, error_type: str = "") -> None:
        """The open attempt, if there is one, came to its end."""
        if self._open is None:
            return
        route, started_at = self._open
        self._open = None
        self._made.append(
            AttemptMade(
                provider=route.provider,
                model=route.model,
                started_at=started_at,
                ended_at=now,
                status=status,
                http_status=http_status,
                error_type=error_type,
            )
        )
