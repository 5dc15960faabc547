"""The items in memory: bounded in number and bytes, and handed out in ripe batches."""

from __future__ import annotations

import threading
import time
from collections import deque

from leeway.items import Batch, Item, Lane
from leeway.settings import Limits

# A caller waits no longer than this for another thread's few lines under the lock.
_PATIENCE_SECONDS = 0.1
_SENDER = "sender"
_SPOOLER = "spooler"


class Buffer:
    """A queue per lane, one bound for all of them, and two readers: one that sends, one that spools.

    A batch that was taken counts as pending until it is settled or restored, so that nothing is
    ever neither here nor elsewhere. While it is `diverted`, ripe batches are for the spool; when it
    is more than half full they are for both.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Re-entrant: a finalizer may put an item while this thread is putting one.
        self._changed = threading.Condition(threading.RLock())
        self._lanes: dict[Lane, deque[tuple[float, bytes]]] = {lane: deque() for lane in Lane}
        self._lane_bytes = dict.fromkeys(Lane, 0)
        self._taken: list[Batch] = []
        self._diverted = False
        self._hurried = 0
        self._closed = False
        self._woken: set[str] = set()

    def put(self, item: Item) -> bool:
        """Take an item in; False when there is no room, or the buffer is closed. Never waits for I/O."""
        if not self._changed.acquire(timeout=_PATIENCE_SECONDS):
            return False
        try:
            if self._closed or not self._has_room(len(item.payload)):
                return False
            self._lanes[item.lane].append((time.monotonic(), item.payload))
            self._lane_bytes[item.lane] += len(item.payload)
            # The readers need waking only when something may have become ripe, or has begun to age.
            if len(self._lanes[item.lane]) == 1 or self._is_full(item.lane) or self._is_pressed():
                self._changed.notify_all()
            return True
        finally:
            self._changed.release()

    def take(self, timeout: float) -> Batch | None:
        """The next ripe batch, waiting up to so many seconds, or until `wake`, for one."""
        return self._take(timeout, _SENDER)

    def take_for_spool(self, timeout: float) -> Batch | None:
        """The next ripe batch that should not wait in memory."""
        return self._take(timeout, _SPOOLER)

    def holds(self, batch: Batch) -> bool:
        """Whether a batch that was taken still counts as pending here: a drain may have taken it over."""
        with self._changed:
            return any(taken is batch for taken in self._taken)

    def settle(self, batch: Batch) -> None:
        """A batch that was taken is sent, spooled or given up."""
        with self._changed:
            self._taken = [taken for taken in self._taken if taken is not batch]
            self._changed.notify_all()

    def restore(self, batch: Batch, left: list[Batch]) -> None:
        """Put what is left of a batch that was taken back to the front, whatever the bound."""
        with self._changed:
            now = time.monotonic()
            for payload in reversed([payload for part in left for payload in part.payloads]):
                self._lanes[batch.lane].appendleft((now, payload))
                self._lane_bytes[batch.lane] += len(payload)
            self.settle(batch)

    def divert(self, *, on: bool) -> None:
        """Whether what ripens should go to the spool, because the server is not to be reached."""
        with self._changed:
            self._diverted = on
            self._changed.notify_all()

    def hurry(self, *, on: bool) -> None:
        """Whether every item is ripe at once, because somebody waits. Hurries are counted."""
        with self._changed:
            self._hurried += 1 if on else -1
            self._changed.notify_all()

    def wake(self) -> None:
        """Each reader comes back from its wait, this one or else its next; a look without waiting is none."""
        with self._changed:
            self._woken = {_SENDER, _SPOOLER}
            self._changed.notify_all()

    def close(self) -> None:
        """Take nothing in any more; what is here is ripe."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drain(self) -> list[Item]:
        """Everything that is here or was taken and not settled; afterwards there is nothing."""
        with self._changed:
            items = [item for batch in self._taken for item in batch.items()]
            items += [Item(lane, body) for lane in Lane for _, body in self._lanes[lane]]
            self._taken = []
            for lane in Lane:
                self._lanes[lane].clear()
                self._lane_bytes[lane] = 0
            self._changed.notify_all()
            return items

    def __len__(self) -> int:
        """The number of items that are pending."""
        with self._changed:
            return sum(map(len, self._lanes.values())) + sum(map(len, self._taken))

    @property
    def size(self) -> int:
        """The bytes of the items that are pending."""
        with self._changed:
            return sum(self._lane_bytes.values()) + sum(batch.size for batch in self._taken)

    def _take(self, timeout: float, reader: str) -> Batch | None:
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                now = time.monotonic()
                wanted = reader == _SENDER or self._diverted or self._is_pressed()
                lane = self._ripe(now) if wanted else None
                if lane is not None:
                    return self._cut(lane)
                if now >= deadline:
                    return None
                if reader in self._woken:
                    self._woken.discard(reader)
                    return None
                ripens = self._ripens_at() if wanted else deadline
                self._changed.wait(max(0.0, min(deadline, ripens) - now))

    def _ripe(self, now: float) -> Lane | None:
        eager = self._hurried > 0 or self._closed or self._is_pressed()
        filled = [lane for lane in Lane if self._lanes[lane]]
        ripe = [lane for lane in filled if eager or self._is_full(lane) or self._due(lane) <= now]
        return min(ripe, key=self._due, default=None)

    def _ripens_at(self) -> float:
        return min((self._due(lane) for lane in Lane if self._lanes[lane]), default=float("inf"))

    def _due(self, lane: Lane) -> float:
        return self._lanes[lane][0][0] + self._limits.batch_seconds

    def _is_full(self, lane: Lane) -> bool:
        queue = self._lanes[lane]
        enough_bytes = self._lane_bytes[lane] >= self._limits.batch_bytes
        return enough_bytes or len(queue) >= self._limits.batch_items

    def _is_pressed(self) -> bool:
        half_bytes = 2 * self.size > self._limits.memory_bytes
        return half_bytes or 2 * len(self) > self._limits.memory_items

    def _has_room(self, size: int) -> bool:
        fits = self.size + size <= self._limits.memory_bytes
        return fits and len(self) < self._limits.memory_items

    def _cut(self, lane: Lane) -> Batch:
        queue, size = self._lanes[lane], 0
        payloads: list[bytes] = []
        while queue and len(payloads) < self._limits.batch_items:
            body = queue[0][1]
            if payloads and size + len(body) > self._limits.batch_bytes:
                break
            queue.popleft()
            payloads.append(body)
            size += len(body)
        self._lane_bytes[lane] -= size
        batch = Batch(lane, payloads)
        self._taken.append(batch)
        return batch
