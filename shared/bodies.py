"""One budget for the bodies that a process holds: what does not fit waits a moment, or is refused before it is read."""

import asyncio
import sys
from collections import deque
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import Unavailable

BUDGET_BYTES = 32 * 1024 * 1024
FREE_BYTES = 64 * 1024  # a connection buffers as much before anybody reads
WAIT_SECONDS = 5.0
RETRY_SECONDS = 2.0

_ROOM = "leeway.room"


@dataclass(eq=False, slots=True)
class _Turn:
    size: int
    come: asyncio.Event = field(default_factory=asyncio.Event)


class Bodies:
    """The budget. Who does not fit is let in in turn; who would wait behind more than all of it is refused.

    The time of a socket is real time, whatever clock the services run on.
    """

    def __init__(
        self, budget_bytes: int = BUDGET_BYTES, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self.budget_bytes = budget_bytes
        self._wait_seconds = wait_seconds
        self._free = budget_bytes
        self._waiting: deque[_Turn] = deque()

    async def take(self, size: int) -> None:
        """Take that much, which is no more than the budget; raises `Unavailable` when it does not get free soon."""
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        if sum(turn.size for turn in self._waiting) + size > self.budget_bytes:
            raise _full()
        turn, taken = _Turn(size), False
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn.come.wait()
            taken = True
        except TimeoutError as late:
            raise _full() from late
        finally:
            if not taken:
                self._withdraw(turn)

    def take_more(self, size: int) -> None:
        """The same for who has some already: it never waits, or all might wait for each other."""
        if size > self._free:
            raise _full()
        self._free -= size

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._free += size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0].size <= self._free:
            turn = self._waiting.popleft()
            self._free -= turn.size
            turn.come.set()

    def _withdraw(self, turn: _Turn) -> None:
        """Whoever waited has gone, perhaps in the moment in which it was let in."""
        if turn in self._waiting:
            self._waiting.remove(turn)
            self._admit()
        else:
            self.give(turn.size)


class Room:
    """What one request has of the budget, from before its body is read until it is answered."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._held = 0

    async def hold(self, size: int) -> None:
        """Have room for a body of so many bytes in all; raises `Unavailable`.

        A small one needs none, and one that is larger than the whole budget has it for itself.
        """
        more = min(size, self._bodies.budget_bytes) - self._held
        if size <= FREE_BYTES or more <= 0:
            return
        if self._held:
            self._bodies.take_more(more)
        else:
            await self._bodies.take(more)
        self._held += more

    def leave(self) -> None:
        """The request is answered, or given up."""
        self._bodies.give(self._held)
        self._held = 0


class Housed:
    """The ASGI middleware that gives each request its room."""

    def __init__(self, app: ASGIApp, bodies: Bodies) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        room = scope[_ROOM] = Room(self._bodies)
        try:
            await self._app(scope, receive, send)
        finally:
            room.leave()


def room_of(scope: Scope) -> Room:
    """The room of a request; without a budget there is enough for everything."""
    room = scope.get(_ROOM)
    return room if isinstance(room, Room) else Room(Bodies(sys.maxsize))


def _full() -> Unavailable:
    return Unavailable(
        "Too many large bodies are being handled here: send it again.",
        retry_after_seconds=RETRY_SECONDS,
    )
