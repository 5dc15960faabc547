"""Mends what a killed engine leaves: a token that is remembered although its block was never put in place.

An insert writes its token to the table's deduplication log first and then gives the block's folder its
final name (MergeTreeSink, both under the table's lock). A kill in between would let the engine drop the
same block when it comes again, and the block would be lost.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ADDED = "1"  # the kind of a line that remembers a token; the other kind forgets one

# What the engine names a block's folder: partition, first and last block number, level, mutation.
_PART = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(_\d+)?")


def forget_unkept(store: Path) -> list[str]:
    """Take each table's last token back if its block is not there; the names of those blocks.

    Only the last can be without its block. No engine may have the store open meanwhile.
    """
    return [
        block for log in _last_logs(store) for block in _forget(log, log.parent.parent.iterdir())
    ]


def _last_logs(store: Path) -> Iterator[Path]:
    """For each table the log file with its last token: logs are numbered, and a new one may be empty."""
    for folder in sorted(store.glob("store/*/*/deduplication_logs")):
        logs = [path for path in folder.glob("deduplication_log_*.txt") if path.stat().st_size]
        if logs:
            yield max(logs, key=lambda path: int(path.stem.rpartition("_")[2]))


def _forget(log: Path, entries: Iterator[Path]) -> list[str]:
    lines = log.read_bytes().splitlines(keepends=True)
    kind, block, *_ = lines[-1].decode().split("\t")
    if kind != ADDED or any(_covers(entry.name, block) for entry in entries):
        return []
    with log.open("r+b") as file:
        file.truncate(sum(len(line) for line in lines[:-1]))
    return [block]


def _covers(folder: str, block: str) -> bool:
    """Whether a folder is the block, or one that it was merged into."""
    here, wanted = _PART.fullmatch(folder), _PART.fullmatch(block)
    if here is None or wanted is None:
        return False
    return (
        here["partition"] == wanted["partition"]
        and int(here["first"]) <= int(wanted["first"])
        and int(wanted["last"]) <= int(here["last"])
    )
