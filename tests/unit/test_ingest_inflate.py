"""Compressed bodies: whole ones are inflated, bombs and stumps are refused."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.inflate import inflate
from shared.errors import Invalid, Unavailable


async def pieces(body: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def no_bound(_: int) -> None:
    """There is room for any size."""


async def test_a_body_in_several_members_is_inflated_whole() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")

    assert await inflate(pieces(body, 7), 100, no_bound) == b"one two"


async def test_a_large_body_is_inflated_whole() -> None:
    content = json.dumps(list(range(200_000))).encode()

    assert await inflate(pieces(gzip.compress(content)), 2_000_000, no_bound) == content


async def test_room_is_asked_for_piece_by_piece_before_more_is_inflated() -> None:
    asked: list[int] = []

    async def hold(size: int) -> None:
        asked.append(size)
        if size > 100_000:
            raise Unavailable("No room.")

    with pytest.raises(Unavailable):
        await inflate(pieces(gzip.compress(b"x" * 10_000_000, 9), 10_000), 2**25, hold)

    assert asked == [64 * 1024, 128 * 1024]


@pytest.mark.parametrize(
    ("body", "limit", "status"),
    [
        (gzip.compress(b"x" * 101), 100, 413),
        (gzip.compress(b"\0" * 10_000_000), 2**25, 413),
        (gzip.compress(b"") * 100, 1_000, 413),
        (gzip.compress(b"x" * 1_000)[:-4], 2_000, 400),
        (b"no gzip at all", 1_000, 400),
        (gzip.compress(b"x") + b"junk", 1_000, 400),
    ],
)
async def test_a_bomb_or_a_stump_is_refused(body: bytes, limit: int, status: int) -> None:
    with pytest.raises(Invalid) as raised:
        await inflate(pieces(body), limit, no_bound)

    assert raised.value.status == status


@given(st.binary(max_size=200))
async def test_any_bytes_inflate_or_are_invalid(body: bytes) -> None:
    try:
        content = await inflate(pieces(body, 13), 1_000, no_bound)
    except Invalid:
        return
    assert len(content) <= 1_000
