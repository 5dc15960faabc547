"""How full an outbox is: what its readers have still to pass or gave up on, its size, the room beside it."""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shared.clock import Clock, pause
from shared.log.folder import FolderLog
from shared.log.reader import UNREADABLE, OutboxReader
from shared.metrics import DATA_FREE, DEAD_LETTER_DEPTH, OUTBOX_BYTES, OUTBOX_RECORDS

INTERVAL_SECONDS = 5.0


class OutboxGauges:
    """Measures the outbox of its own process; `groups` are those that must pass what it holds."""

    def __init__(self, producer: str, folder: Path, groups: Sequence[str], clock: Clock) -> None:
        self._producer = producer
        self._folder = folder
        self._groups = groups
        self._clock = clock
        self._log = FolderLog(folder)

    async def run(self, stop: asyncio.Event) -> None:
        """Measure until `stop` is set."""
        while not stop.is_set():
            await asyncio.to_thread(self.measure)
            await pause(self._clock, INTERVAL_SECONDS, stop)
        self._log.close()

    def measure(self) -> None:
        """Set the gauges to what is there now."""
        files = self._folder.glob(f"{self._producer}.db*")
        OUTBOX_BYTES.set(sum(path.stat().st_size for path in files))
        DATA_FREE.set(shutil.disk_usage(self._folder).free)
        readers = self._log.readers()
        own = next((reader for reader in readers if reader.producer == self._producer), None)
        if own is not None:
            # What cannot be read is told by who reads it; meanwhile what was measured last stands.
            with suppress(*UNREADABLE):
                self._measure_records(own, readers)

    def _measure_records(self, own: OutboxReader, readers: Sequence[OutboxReader]) -> None:
        passed = dict.fromkeys(self._groups, 1)  # where every outbox begins
        for reader in readers:
            for group, positions in reader.positions().items():
                passed[group] = max(passed.get(group, 1), positions.get(own.source, 1))
        OUTBOX_RECORDS.set(max(0, own.end - min(passed.values(), default=own.end)))
        for topic, group, letters in own.dead_letters():
            DEAD_LETTER_DEPTH.labels(topic, group).set(letters)
