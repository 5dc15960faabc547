"""What other processes have cost so far, and hold."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all of its threads; 0 where it cannot be read."""
    stat = Path(f"/proc/{pid}/stat")
    if not pid or not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> tuple[int, ...]:
    """A process, its children, and theirs."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:  # it has ended in the meantime
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return tuple(members)


def resident_bytes(pid: int) -> int:
    """The memory that a process has in RAM now; 0 where it cannot be read."""
    status = Path(f"/proc/{pid}/status")
    if not pid or not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


@dataclass(slots=True)
class Memory:
    """The most that any of some processes has had in RAM, in bytes."""

    most: int = 0

    def look(self, pids: Sequence[int]) -> None:
        self.most = max(self.most, *(resident_bytes(pid) for pid in pids))


@asynccontextmanager
async def memory_of(pids: Sequence[int], every_seconds: float = 0.25) -> AsyncIterator[Memory]:
    """What the processes have while the block runs."""
    memory = Memory()

    async def look() -> None:
        while True:
            memory.look(pids)
            await asyncio.sleep(every_seconds)

    looking = asyncio.create_task(look())
    try:
        yield memory
    finally:
        looking.cancel()
        memory.look(pids)
