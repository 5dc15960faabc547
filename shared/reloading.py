"""What a process knows of the installation's configuration: when it was read, what was wrong, and how to have it read again."""

import os
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from shared.private_file import write_private

RELOAD = signal.SIGUSR2
"""The signal by which a supervisor reads the configuration again, wherever it was started."""


@dataclass(frozen=True, slots=True)
class ConfigState:
    """`loaded_at` is when what is in force was read, `tried_at` the last reading; `faults` kept that one out."""

    loaded_at: datetime
    tried_at: datetime
    faults: tuple[str, ...] = ()


def tell_state(data: Path, state: ConfigState) -> None:
    """Keep it for the processes of this data folder."""
    path = _path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(state))


def state_of(data: Path) -> ConfigState | None:
    """What the supervisor of this data folder told last; None where there is none."""
    try:
        return msgspec.json.decode(_path(data).read_bytes(), type=ConfigState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def ask_reload(data: Path) -> bool:
    """Have our supervisor read the configuration again; False where this process has none."""
    try:
        pid = int((data / "supervisor.lock").read_text())
    except (FileNotFoundError, ValueError):
        return False
    # The lock outlives its supervisor, and its number may be another process's by then: ours is our parent.
    if pid != os.getppid():
        return False
    os.kill(pid, RELOAD)
    return True


def _path(data: Path) -> Path:
    return data / "run" / "config.json"
