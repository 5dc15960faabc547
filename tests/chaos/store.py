"""A store as a process of its own: `python -m tests.chaos.store FOLDER PORT`, chDB behind its SQL port."""

import asyncio
import signal
import sys
from pathlib import Path

from tests.stores import a_store


async def main(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with a_store(folder, port):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
