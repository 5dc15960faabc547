"""A store bounded by bytes, from which what is asked once is the first to go: S3-FIFO."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_SMALL_SHARE = 10  # one tenth of the room is for what is new
_MOST_READS = 3


@dataclass(slots=True)
class _Held(Generic[V]):
    value: V
    size: int
    reads: int = 0


class S3Fifo(Generic[K, V]):
    """Two queues, and the keys of what left the first (Yang et al. 2023, "FIFO queues are all you need for
    cache eviction", SOSP).

    What is new enters the small queue; read before it reaches its end, it moves to the main one, and else
    goes and leaves its key behind, by which it enters the main queue if it comes again. The main queue lets
    what was read go round again. Most questions are asked once: they pass without pushing out what is read.
    `left` is told of every value that leaves without having been removed or replaced.

    >>> store = S3Fifo[str, str](100, lambda key, value: print("left:", key))
    >>> store.put("often", "a", 40), store.get("often")
    (True, 'a')
    >>> store.put("once", "b", 40), store.put("late", "c", 40)
    left: once
    (True, True)
    >>> store.get("often"), store.bytes
    ('a', 80)
    """

    def __init__(self, capacity: int, left: Callable[[K, V], None]) -> None:
        self._capacity = capacity
        self._left = left
        self._small: OrderedDict[K, _Held[V]] = OrderedDict()
        self._main: OrderedDict[K, _Held[V]] = OrderedDict()
        self._ghosts: OrderedDict[K, None] = OrderedDict()
        self._small_bytes = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def items(self) -> Iterator[tuple[K, V]]:
        """Everything that is held, which may be changed meanwhile."""
        held = [*self._small.items(), *self._main.items()]
        return ((key, each.value) for key, each in held)

    def get(self, key: K) -> V | None:
        """The value of a key, which is read by this."""
        held = self._small.get(key) or self._main.get(key)
        if held is None:
            return None
        held.reads = min(held.reads + 1, _MOST_READS)
        return held.value

    def put(self, key: K, value: V, size: int) -> bool:
        """Hold a value that takes so many bytes; False for one that is larger than all the room there is."""
        self.remove(key)
        if size > self._capacity:
            return False
        while self.bytes + size > self._capacity:
            self._make_room()
        known = key in self._ghosts
        self._ghosts.pop(key, None)
        (self._main if known else self._small)[key] = _Held(value, size)
        self.bytes += size
        self._small_bytes += 0 if known else size
        return True

    def remove(self, key: K) -> V | None:
        """Take a value out; `left` is not told."""
        held = self._small.pop(key, None)
        if held is not None:
            self._small_bytes -= held.size
        else:
            held = self._main.pop(key, None)
        if held is None:
            return None
        self.bytes -= held.size
        return held.value

    def _make_room(self) -> None:
        """One step: something leaves, or moves to the main queue, or goes round in it."""
        if self._small and (self._small_bytes * _SMALL_SHARE >= self._capacity or not self._main):
            self._leave_small()
        else:
            self._leave_main()

    def _leave_small(self) -> None:
        key, held = self._small.popitem(last=False)
        self._small_bytes -= held.size
        if held.reads:
            held.reads = 0
            self._main[key] = held
            return
        self._ghosts[key] = None
        while len(self._ghosts) > max(len(self._main), len(self._small)):
            self._ghosts.popitem(last=False)
        self._go(key, held)

    def _leave_main(self) -> None:
        key, held = self._main.popitem(last=False)
        if held.reads:
            held.reads -= 1
            self._main[key] = held
            return
        self._go(key, held)

    def _go(self, key: K, held: _Held[V]) -> None:
        self.bytes -= held.size
        self._left(key, held.value)
