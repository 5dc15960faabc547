"""Which state a worker shares, by the URL that it was given."""

from pathlib import Path

from services.serving.state.local import LocalState
from services.serving.state.memory import MemoryState
from services.serving.state.valkey import ValkeyState
from shared.clock import Clock

MEMORY = "memory:"

OpenState = LocalState | MemoryState | ValkeyState


def state_at(url: str, folder: Path, clock: Clock, timeout_seconds: float) -> OpenState:
    """The state at a URL: of this machine's workers without one, of this worker alone at `memory:`.

    Open it before use. Raises `Invalid` for a URL that cannot be read.
    """
    if not url:
        return LocalState(folder, clock)
    if url == MEMORY:
        return MemoryState(clock)
    return ValkeyState(url, clock, timeout_seconds=timeout_seconds)
