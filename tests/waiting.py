"""Waiting for what another task or thread brings about, for as long as is reasonable and no longer."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Return when it holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)
