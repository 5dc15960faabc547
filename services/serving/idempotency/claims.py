"""Claims on idempotency keys: the first request of a key runs, the others wait for what it is answered.

A claim is a lease: it is renewed while its request runs, and of a worker that has died it ends within
`lease_seconds`. The reply is kept before its last byte is sent, so that what has ended without one was not answered
whole: then the next retry asks anew. The call that died is accounted for as interrupted, by the journal.
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import structlog

from services.serving.idempotency.record import Phase, Record, is_kept, read_record
from services.serving.idempotency.sealing import KeptReply, Keyed, Seal
from services.serving.state.port import Claims, StateAway, Values
from shared.clock import Clock, pause
from shared.errors import Conflict, Invalid
from shared.metrics import IDEMPOTENT

log = structlog.get_logger()

MAX_KEY_CHARS = 255
_PRINTABLE = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_CHARS}}}")
# After this a retry may ask again for the answer of a request that still runs.
RETRY_SECONDS = 1.0
_FIRST_LOOK_SECONDS = 0.01
_LAST_LOOK_SECONDS = 0.25


class Kept(Values, Claims, Protocol):
    """Where the records are."""


@dataclass(frozen=True, slots=True)
class IdempotencyLimits:
    """How long a reply is kept and how large it may be; how long a retry waits, and a claim lasts unrenewed."""

    keep_seconds: float = 86_400.0
    max_reply_bytes: int = 1024 * 1024
    wait_seconds: float = 60.0
    lease_seconds: float = 15.0


class Idempotency:
    """Gives out the claims of one worker."""

    def __init__(self, kept: Kept, clock: Clock, limits: IdempotencyLimits) -> None:
        self._kept = kept
        self._clock = clock
        self._limits = limits

    def claim(self, keyed: Keyed) -> "Claim":
        """A block in which a request is answered once. Raises `Invalid` for a key that is none."""
        if not _PRINTABLE.fullmatch(keyed.key):
            raise Invalid(
                f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} printable characters.",
                param="Idempotency-Key",
                code="invalid_idempotency_key",
            )
        return Claim(Seal(keyed), self._kept, self._clock, self._limits)


class Claim:
    """One request's claim on its key, as an `async with` block.

    In it `reply` is what an earlier request of the key was answered, to be sent as it is; or None: then this
    request runs, is `asked` once its call is open in the journal, and offers its whole reply to `keep`. Leaving
    the block without a kept reply lets a retry ask anew.

    Entering waits for a request that runs now. It raises `Conflict` (409) when that takes too long or its
    answer was too large to be kept, `Invalid` (422) when the key came with another body, and `StateAway` (503).
    """

    def __init__(self, seal: Seal, kept: Kept, clock: Clock, limits: IdempotencyLimits) -> None:
        self.reply: KeptReply | None = None
        self.max_reply_bytes = limits.max_reply_bytes
        self._seal = seal
        self._kept = kept
        self._clock = clock
        self._limits = limits
        self._fence = 0
        self._asked = False
        self._renewing: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        running = Record(Phase.RUNNING, self._seal.digest).written()
        look_seconds, patience = _FIRST_LOOK_SECONDS, self._limits.wait_seconds
        until = self._clock.monotonic() + patience
        while True:
            claimed = await self._kept.claim(self._seal.name, running, self._limits.lease_seconds)
            if claimed.found is None:
                self._fence = claimed.fence
                self._renewing = asyncio.create_task(self._renew(running))
                IDEMPOTENT.labels("asked").inc()
                return self
            if self._answered(claimed.found):
                return self
            if self._clock.monotonic() >= until:
                raise _still_running(patience)
            await self._clock.sleep(look_seconds)
            look_seconds = min(2 * look_seconds, _LAST_LOOK_SECONDS)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop_renewing()
        if self._fence:
            with suppress(StateAway):  # it ends with its lease
                await self._kept.release(self._seal.name, self._fence)

    def asked(self) -> None:
        """An upstream may have been asked from now on: its refusals are answers."""
        self._asked = True

    async def keep(self, reply: KeptReply | None, status: int) -> None:
        """Keep a whole reply for the retries, unless it is a failure; None is one that is too large.

        Where it cannot be kept the client is answered all the same: what was asked was asked.
        """
        if not self._fence or not is_kept(status, asked=self._asked):
            return
        await self._stop_renewing()
        record = Record(Phase.LARGE, self._seal.digest)
        if reply is not None:
            record = Record(Phase.KEPT, self._seal.digest, self._seal.seal(reply))
        fence, self._fence = self._fence, 0
        seconds = self._limits.keep_seconds
        try:
            ours = await self._kept.replace(self._seal.name, fence, record.written(), seconds)
        except StateAway:
            ours = False
        if not ours:
            IDEMPOTENT.labels("unkept").inc()
            log.warning("idempotency.unkept")

    def _answered(self, stored: bytes) -> bool:
        """Whether an earlier request was answered, with `reply`; False when it runs still."""
        record = read_record(stored)
        if record.digest != self._seal.digest:
            IDEMPOTENT.labels("refused").inc()
            raise Invalid(
                "This Idempotency-Key came with another body before: a key stands for one request.",
                param="Idempotency-Key",
                code="idempotency_key_reused",
                status=422,
            )
        if record.phase is Phase.RUNNING:
            return False
        self.reply = self._seal.open(record.sealed) if record.phase is Phase.KEPT else None
        if self.reply is None:
            IDEMPOTENT.labels("refused").inc()
            raise Conflict(
                "The request of this Idempotency-Key was answered, and its reply is not kept: it was larger "
                f"than {self._limits.max_reply_bytes} bytes.",
                code="idempotency_reply_not_kept",
            )
        IDEMPOTENT.labels("replayed").inc()
        return True

    async def _renew(self, running: bytes) -> None:
        lease = self._limits.lease_seconds
        await pause(self._clock, lease / 3, self._ended)
        while not self._ended.is_set():
            with suppress(StateAway):
                await self._kept.replace(self._seal.name, self._fence, running, lease)
            await pause(self._clock, lease / 3, self._ended)

    async def _stop_renewing(self) -> None:
        """Let a renewal that is on its way end: it must not come after what is kept."""
        self._ended.set()
        if self._renewing is not None:
            await self._renewing


def _still_running(seconds: float) -> Conflict:
    IDEMPOTENT.labels("refused").inc()
    return Conflict(
        f"The request of this Idempotency-Key is still running after {seconds:g} s; ask again for its answer.",
        code="idempotency_in_progress",
        retry_after_seconds=RETRY_SECONDS,
    )
