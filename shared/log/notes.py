"""What a consumer remembers for its group beside the positions: where it began to read, and that it halted."""

from collections.abc import Iterable, Mapping

from shared.log.record import Position

_OURS = "consumer/"
_BEGAN, _HALTED = f"{_OURS}began/", f"{_OURS}halted/"


class Notes:
    """Notes by source, kept among the group's states: each is stored with the position it is about."""

    def __init__(self) -> None:
        self.began_us: dict[str, int] = {}
        self.halted: set[str] = set()
        self._unstored: dict[str, bytes | None] = {}

    def recall(self, states: Mapping[str, bytes]) -> None:
        """Take over what is stored."""
        self.began_us = {source: int(at) for source, at in _named(_BEGAN, states).items()}
        self.halted = {*_named(_HALTED, states)}
        self._unstored = {}

    def begin(self, sources: Iterable[str], positions: Mapping[str, Position], now_us: int) -> None:
        """Note the time at which a source is read for the first time."""
        for source in sources:
            if source not in positions and source not in self.began_us:
                self.began_us[source] = now_us
                self._unstored[_BEGAN + source] = str(now_us).encode()

    def halt(self, source: str) -> None:
        """Note that the group halts at a record of this source."""
        self.halted.add(source)
        self._unstored[_HALTED + source] = b""

    def trust(self, sources: Iterable[str]) -> None:
        """Forget that it halted there."""
        for source in self.halted.intersection(sources):
            self.halted.discard(source)
            self._unstored[_HALTED + source] = None

    def unstored(self) -> Mapping[str, bytes | None]:
        """What is to be stored with the next positions."""
        return dict(self._unstored)

    def stored(self) -> None:
        """It is stored."""
        self._unstored = {}


def without_notes(states: Mapping[str, bytes]) -> dict[str, bytes]:
    """The states that are the handler's."""
    return {name: blob for name, blob in states.items() if not name.startswith(_OURS)}


def _named(kind: str, states: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix(kind): b for name, b in states.items() if name.startswith(kind)}
