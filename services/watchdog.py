"""The watchdog of a process: a thread that notices when the event loop does not turn, and says what holds it."""

import asyncio
import select
import socket
import sys
import threading
import traceback
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from shared.clock import Clock
from shared.metrics import LOOP_STALLS

log = structlog.get_logger()

BEATS = 8  # in the time that the loop may stand still
CALLER_SECONDS = 0.5
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n"
    b"connection: close\r\n\r\nstalled\n"
)


class Watchdog:
    """Enter it on the loop that it is to watch; `guard` names the port that it answers on meanwhile.

    A loop that stands still answers nobody, so its health looks like that of a slow network. While it
    stands, this thread takes the guarded port's new connections and answers each 503; the stack of the
    loop's thread is logged once for each stall. It needs the interpreter: what holds that too, in C, is
    seen only when it is over.
    """

    def __init__(self, clock: Clock, *, limit_seconds: float) -> None:
        self._clock = clock
        self._limit = limit_seconds
        self._beat_seconds = limit_seconds / BEATS
        self._turned_at = 0.0
        self._listener: socket.socket | None = None
        self._ended = threading.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._turn()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._timer.cancel()
        await asyncio.to_thread(self._thread.join)
        if self._listener is not None:
            self._listener.close()

    def guard(self, listener: socket.socket) -> None:
        """Answer on this port, which somebody else serves, while the loop stands still."""
        self._listener = listener.dup()

    def _turn(self) -> None:
        self._turned_at = self._clock.monotonic()
        self._timer = self._loop.call_later(self._beat_seconds, self._turn)

    def _watch(self) -> None:
        looked_at = self._clock.monotonic()
        while not self._ended.wait(self._beat_seconds):
            now = self._clock.monotonic()
            # Who slept as well, because the whole process was stopped, accuses nobody.
            awake, looked_at = now - looked_at < self._limit, now
            if awake and now - self._turned_at > self._limit:
                self._tell_stall(now - self._turned_at)
                looked_at = self._clock.monotonic()

    def _tell_stall(self, seconds: float) -> None:
        """Say once where the loop stands, and stand in for it until it turns."""
        stood_at = self._turned_at
        LOOP_STALLS.inc()
        frame = sys._current_frames().get(self._watched)
        log.error("loop.stalled", seconds=round(seconds, 3), stack=traceback.format_stack(frame))
        while self._turned_at == stood_at and not self._ended.is_set():
            self._stand_in()
        log.warning("loop.turned", seconds=round(self._clock.monotonic() - stood_at, 3))

    def _stand_in(self) -> None:
        if self._listener is None:
            self._ended.wait(self._beat_seconds)
            return
        ready, _, _ = select.select([self._listener], [], [], self._beat_seconds)
        if ready:
            with suppress(OSError):  # a caller that has left, or that the loop took after all
                caller, _ = self._listener.accept()
                with caller:
                    _refuse(caller)


def _refuse(caller: socket.socket) -> None:
    caller.settimeout(CALLER_SECONDS)
    caller.recv(64 * 1024)
    caller.sendall(_ANSWER)
    caller.shutdown(socket.SHUT_WR)
