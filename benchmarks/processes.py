"""What other processes have cost so far, and hold."""

import os
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
