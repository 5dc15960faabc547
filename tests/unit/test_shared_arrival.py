"""Writes of one turn of the loop are sent at once, in order, and before a connection is closed."""

import asyncio

from shared.arrival import Gathered


class Wire(asyncio.Transport):
    """What was sent on it, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def abort(self) -> None:
        self.told.append("aborted")

    def is_closing(self) -> bool:
        return bool({"closed", "aborted"}.intersection(self.told))


def a_pair() -> tuple[Wire, Gathered]:
    wire = Wire()
    return wire, Gathered(wire, asyncio.get_running_loop())


async def test_a_head_and_its_body_are_sent_at_once() -> None:
    wire, gathered = a_pair()

    gathered.write(b"head")
    gathered.write(b"body")
    await asyncio.sleep(0)
    gathered.write(b"next")
    await asyncio.sleep(0)

    assert wire.told == [b"headbody", b"next"]


async def test_what_is_held_is_sent_before_the_connection_closes() -> None:
    wire, gathered = a_pair()

    gathered.write(b"last")
    gathered.close()
    await asyncio.sleep(0)

    assert wire.told == [b"last", "closed"]


async def test_an_aborted_connection_sends_nothing_more() -> None:
    wire, gathered = a_pair()

    gathered.write(b"lost")
    gathered.abort()
    gathered.write(b"too late")
    await asyncio.sleep(0)

    assert wire.told == ["aborted"]
