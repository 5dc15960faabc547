"""The thread that sends: fresh batches from memory while the server is well, stored ones when it is back."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from leeway.backoff import Backoff
from leeway.buffer import Buffer
from leeway.counters import Counters
from leeway.guard import Shield
from leeway.items import Batch, batches
from leeway.settings import Limits
from leeway.spool.folder import Claim, Spool
from leeway.transport import Later, Outcome, Taken

log = logging.getLogger("leeway")


class Wire(Protocol):
    """How a batch gets to the server."""

    def send(self, batch: Batch) -> Outcome:
        """Post the batch once. It may take as long as its own timeout, and never raises."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Sender:
    """Sends until it is stopped. `run` is the body of its thread; everything else is for other threads."""

    def __init__(
        self, buffer: Buffer, spool: Spool | None, wire: Wire, counters: Counters, limits: Limits
    ) -> None:
        self._buffer = buffer
        self._spool = spool
        self._wire = wire
        self._counters = counters
        self._limits = limits
        self._backoff = Backoff(limits.first_retry_seconds, limits.longest_retry_seconds)
        self._claim: Claim | None = None
        self._claimed: list[Batch] = []
        self._next_scan = 0.0
        self._changed = threading.Condition()
        self._stopping = False
        self._asked = 0
        self._answered = 0
        self._falls = 0

    def run(self) -> None:
        """Send until `stop`."""
        while not self._stopping:
            with Shield("leeway's sender", self._counters):
                self._step()
                continue
            # A fault of the SDK's own: go on, but slowly.
            self._backoff.fail()
        self._let_go()
        self._wire.close()

    def stop(self) -> None:
        """Finish what is being sent, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._buffer.wake()

    def wait_clear(self, deadline: float, *, impatient: bool = False) -> bool:
        """Try at once, and wait until nothing is left to send, in memory or on disk.

        False when the deadline comes first or, if `impatient`, the server fails once more.
        """
        with self._changed:
            falls = self._falls
            self._asked += 1
            ticket = self._asked
            self._backoff.hasten()
            self._next_scan = 0.0
            self._changed.notify_all()
            self._buffer.wake()
            while self._answered < ticket:
                left = deadline - time.monotonic()
                if left <= 0 or (impatient and self._falls > falls):
                    return False
                self._changed.wait(left)
            return True

    def abandon(self) -> None:
        """In the child of a fork: drop the inherited segment, which the parent still sends."""
        self._let_go()

    def _step(self) -> None:
        asked = self._asked
        if self._backoff.remaining_seconds > 0:
            self._rest()
        elif not self._send_next() and asked > self._answered:
            self._report_clear(asked)

    def _send_next(self) -> bool:
        """Send one batch, if any. While the server fails the oldest is the probe, else memory goes first."""
        if self._backoff.failing:
            return self._send_stored() or self._send_fresh(self._limits.batch_seconds)
        if self._send_fresh(0.0) or self._send_stored():
            return True
        # A flush waits for its answer; one that begins only now wakes the buffer.
        waiting = self._asked > self._answered
        return self._send_fresh(0.0 if waiting else self._limits.rescan_seconds)

    def _send_fresh(self, timeout: float) -> bool:
        batch = self._buffer.take(timeout)
        if batch is None:
            return False
        left = self._deliver(batch)
        if left:
            self._keep(batch, left)
        else:
            self._buffer.settle(batch)
        return True

    def _send_stored(self) -> bool:
        if self._claim is None and not self._claim_next():
            return False
        while self._claimed:
            left = self._deliver(self._claimed[0])
            if left:
                self._claimed[:1] = left
                return True
            del self._claimed[0]
            if self._stopping and self._claimed:
                return True
        self._finish_claim()
        return True

    def _deliver(self, batch: Batch) -> list[Batch]:
        """Send a batch, in halves where it must be; answers what is left for later."""
        todo = [batch]
        while todo:
            outcome = self._wire.send(todo[0])
            if isinstance(outcome, Later):
                self._fell(outcome)
                return todo
            self._rose()
            done = todo.pop(0)
            if isinstance(outcome, Taken):
                self._count(done, outcome)
            elif len(done) > 1:
                todo[:0] = done.halves()
            else:
                self._counters.add("rejected")
                log.warning(
                    "The server cannot read an item of %s: %s", done.lane.word, outcome.reason
                )
        return []

    def _count(self, batch: Batch, outcome: Taken) -> None:
        refused = len(outcome.refused)
        self._counters.add("sent", len(batch) - refused)
        if refused:
            self._counters.add("rejected", refused)
            log.warning(
                "The server refused %d of %d %s, first: %s",
                refused,
                len(batch),
                batch.lane.word,
                outcome.refused[0],
            )

    def _fell(self, outcome: Later) -> None:
        """Once per outage it is said; a key that is not known is worth no hurry."""
        if not self._backoff.failing:
            log.warning("The server does not take items (they are kept): %s", outcome.reason)
        wait = self._limits.longest_retry_seconds if outcome.denied else outcome.after_seconds
        self._backoff.fail(wait)
        self._buffer.divert(on=self._spool is not None)
        with self._changed:
            self._falls += 1
            self._changed.notify_all()

    def _rose(self) -> None:
        if self._backoff.failing:
            log.info("The server takes items again.")
            self._next_scan = 0.0
            self._buffer.divert(on=False)
        self._backoff.succeed()

    def _keep(self, batch: Batch, left: list[Batch]) -> None:
        """What could not be sent goes to the disk, or back to the front of the memory."""
        if not self._buffer.holds(batch):  # a shutdown did not wait for us, and has kept it itself
            return
        if self._spool is None or not spool_batches(self._spool, left, self._counters):
            self._buffer.restore(batch, left)
        else:
            self._buffer.settle(batch)

    def _claim_next(self) -> bool:
        if self._spool is None:
            return False
        if time.monotonic() < self._next_scan and not self._backoff.failing:
            return False
        try:
            self._claim = self._spool.claim()
        except OSError as fault:
            log.warning("The spool cannot be read: %s", fault)
        if self._claim is None:
            self._next_scan = time.monotonic() + self._limits.rescan_seconds
            return False
        if not self._spool.wrote(self._claim):
            self._counters.add("recovered", len(self._claim.items))
        self._claimed = batches(
            self._claim.items, self._limits.batch_items, self._limits.batch_bytes
        )
        return True

    def _finish_claim(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            try:
                claim.discard()
            except OSError as fault:
                log.warning("The sent segment %s cannot be removed: %s", claim.path.name, fault)
                claim.release()

    def _let_go(self) -> None:
        claim, self._claim = self._claim, None
        self._claimed = []
        if claim is not None:
            claim.release()

    def _rest(self) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(self._backoff.remaining_seconds)

    def _report_clear(self, asked: int) -> None:
        """Answer the flushes up to that one, unless something came up while we looked."""
        self._next_scan = 0.0
        if len(self._buffer) == 0 and not self._claim_next():
            with self._changed:
                self._answered = max(self._answered, asked)
                self._changed.notify_all()


def spool_batches(spool: Spool, left: list[Batch], counters: Counters) -> bool:
    """Put batches on the disk, and count them; False, and nothing stored, when the disk refuses."""
    items = [item for batch in left for item in batch.items()]
    try:
        lost = spool.append(items)
    except OSError as fault:
        log.warning("The spool cannot be written, items stay in memory: %s", fault)
        return False
    counters.add("spooled", len(items))
    if lost:
        counters.add("dropped", lost)
        log.warning("The spool is full: the %d oldest items are lost.", lost)
    return True
