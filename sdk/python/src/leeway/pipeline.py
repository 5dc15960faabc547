"""From a call to the server: the memory, the disk, and the two threads between them.

The sender may wait for the network, the spooler only for the disk; a caller waits for neither.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from leeway.buffer import Buffer
from leeway.counters import Counters
from leeway.guard import Shield
from leeway.items import Batch, Item, batches
from leeway.sender import Sender, Wire, spool_batches
from leeway.settings import Settings
from leeway.spool import locks
from leeway.spool.folder import Spool
from leeway.transport import Transport

log = logging.getLogger("leeway")

_SPOOLER_NAP_SECONDS = 1.0


class Pipeline:
    """Takes items and sees to them in the background, until it is shut down. It belongs to one process."""

    def __init__(self, settings: Settings, counters: Counters, wire: Wire | None = None) -> None:
        self._limits = settings.limits
        self._counters = counters
        self._buffer = Buffer(settings.limits)
        self._spool = _spool(settings)
        self._sender = Sender(
            self._buffer, self._spool, wire or Transport(settings), counters, settings.limits
        )
        self._stopping = False
        self._full = False
        self._threads = [_thread("leeway-sender", self._sender.run)]
        if self._spool is not None:
            self._threads.append(_thread("leeway-spooler", self._run_spooler))

    def start(self) -> bool:
        """Start the threads; False when the interpreter is ending and will have no more."""
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError:
            return False
        return True

    @property
    def pending(self) -> int:
        """How many items are in memory."""
        return len(self._buffer)

    def put(self, item: Item) -> None:
        """Take an item; what is too large to send, or finds no room, is counted and gone."""
        self._counters.add("accepted")
        if len(item.payload) > self._limits.item_bytes:
            self._counters.add("rejected")
            log.warning("An item of %d bytes is too large to send.", len(item.payload))
            return
        full = not self._buffer.put(item)
        if full:
            self._counters.add("dropped")
        if full and not self._full:
            log.warning("Memory is full, or the SDK is shut down: items are lost.")
        self._full = full

    def flush(self, timeout_seconds: float, *, impatient: bool = False) -> bool:
        """Send everything, from memory and disk, now; whether that was done in time."""
        if self._stopping:
            return self.pending == 0
        deadline = time.monotonic() + timeout_seconds
        self._buffer.hurry(on=True)
        try:
            return self._sender.wait_clear(deadline, impatient=impatient)
        finally:
            self._buffer.hurry(on=False)

    def shutdown(self, timeout_seconds: float) -> bool:
        """Send what can be sent in the time, and put the rest on the disk; whether nothing was lost.

        What a request that hangs holds goes to the disk too: sent twice is stored once.
        """
        if self._stopping:
            return True
        deadline = time.monotonic() + timeout_seconds
        self._buffer.close()
        self.flush(timeout_seconds, impatient=True)
        self._stopping = True
        self._sender.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        return self._spool_rest()

    def abandon(self) -> None:
        """In the child of a fork: let go of what the parent's threads hold, and send nothing of it."""
        self._sender.abandon()
        if self._spool is not None:
            self._spool.abandon()

    def _run_spooler(self) -> None:
        while not self._stopping:
            with Shield("leeway's spooler", self._counters):
                batch = self._buffer.take_for_spool(_SPOOLER_NAP_SECONDS)
                if batch is not None:
                    self._move_to_disk(batch)

    def _move_to_disk(self, batch: Batch) -> None:
        assert self._spool is not None
        if spool_batches(self._spool, [batch], self._counters):
            self._buffer.settle(batch)
            return
        # A full disk may have room again; until then the memory is what there is.
        self._buffer.restore(batch, [batch])
        time.sleep(_SPOOLER_NAP_SECONDS)

    def _spool_rest(self) -> bool:
        items = self._buffer.drain()
        rest = batches(items, self._limits.batch_items, self._limits.batch_bytes)
        kept = not rest or (
            self._spool is not None and spool_batches(self._spool, rest, self._counters)
        )
        if not kept:
            self._counters.add("dropped", len(items))
            log.warning("%d items could neither be sent nor kept on disk.", len(items))
        if self._spool is not None:
            self._spool.close()
        return kept


def _spool(settings: Settings) -> Spool | None:
    if settings.spool_dir is None:
        return None
    if not locks.AVAILABLE:
        log.warning("This system has no file locks: items wait in memory only.")
        return None
    return Spool(settings.spool_dir, settings.limits)


def _thread(name: str, body: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=body, name=name, daemon=True)
