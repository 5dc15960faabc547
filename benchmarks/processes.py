"""What other processes have cost so far."""

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all of its threads; 0 where it cannot be read."""
    stat = Path(f"/proc/{pid}/stat")
    if not pid or not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
