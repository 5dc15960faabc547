"""How many of the events of the last seconds were of one kind, counted in slices of time."""

SLICES = 10


class Share:
    """Counts `whole` events and the `part` of them, over a window that moves on by a tenth of itself.

    >>> share = Share(window_seconds=10.0)
    >>> share.add(0.0, whole=4, part=1)
    >>> share.add(9.0, whole=1)
    >>> (share.whole_at(9.5), share.part_at(9.5)), (share.whole_at(10.5), share.part_at(10.5))
    ((5, 1), (1, 0))
    """

    def __init__(self, window_seconds: float) -> None:
        self._width = window_seconds / SLICES
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._place = 0
        self._ends = self._width  # when the slice of time that is counted in ends
        self._wholes = [0] * SLICES
        self._parts = [0] * SLICES
        self._whole = self._part = 0

    def add(self, now: float, *, whole: int = 0, part: int = 0) -> None:
        """Count events that happened now, in seconds of a clock that never goes back."""
        if now >= self._ends:
            self._move(now)
        slot = self._place % SLICES
        self._wholes[slot] += whole
        self._whole += whole
        if part:
            self._parts[slot] += part
            self._part += part

    def whole_at(self, now: float) -> int:
        """All events of the window that ends now."""
        self._move(now)
        return self._whole

    def part_at(self, now: float) -> int:
        """Those of the kind, of the window that ends now."""
        self._move(now)
        return self._part

    def _move(self, now: float) -> None:
        place = max(self._place, int(now / self._width))
        for gone in range(min(place - self._place, SLICES)):
            slot = (place - gone) % SLICES
            self._whole -= self._wholes[slot]
            self._part -= self._parts[slot]
            self._wholes[slot] = self._parts[slot] = 0
        self._place = place
        self._ends = (place + 1) * self._width
