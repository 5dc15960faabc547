"""The bodies that a process holds at once: who fits, who waits for how long, and how the doors refuse the rest."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Message

from services.feedback.app import build as build_feedback
from services.feedback.settings import Settings as FeedbackSettings
from services.ingest.app import build as build_ingest
from services.ingest.settings import Settings as IngestSettings
from services.serving.app import build as build_serving
from services.serving.settings import Settings as ServingSettings
from shared.bodies import FREE_BYTES, Bodies, Housed, Room, room_of
from shared.errors import Unavailable
from shared.lifecycle import App
from shared.server import http_app
from tests.doors import TOKEN, a_host, a_live_view
from tests.fakes import FakeOutbox

MB = 1024 * 1024


async def test_a_small_body_needs_no_room() -> None:
    bodies = Bodies(MB, wait_seconds=0)
    await bodies.take(MB)

    await Room(bodies).hold(FREE_BYTES)


async def test_who_does_not_fit_is_let_in_in_turn() -> None:
    bodies, let_in = Bodies(10 * MB), list[str]()
    first, rooms = Room(bodies), {name: Room(bodies) for name in ("large", "less large")}
    await first.hold(9 * MB)

    async def come(name: str, size: int) -> None:
        await rooms[name].hold(size)
        let_in.append(name)

    waiting = [
        asyncio.create_task(come("large", 6 * MB)),
        asyncio.create_task(come("less large", MB)),
    ]
    await asyncio.sleep(0)
    assert let_in == []
    first.leave()
    await asyncio.gather(*waiting)

    assert let_in == ["large", "less large"]


async def test_who_waits_too_long_is_refused_and_makes_way() -> None:
    bodies = Bodies(10 * MB, wait_seconds=0)
    await bodies.take(5 * MB)

    with pytest.raises(Unavailable) as refused:
        await bodies.take(6 * MB)
    await bodies.take(5 * MB)

    assert refused.value.retry_after_seconds == 2


async def test_no_more_than_another_budget_waits() -> None:
    bodies = Bodies(10 * MB)
    await bodies.take(10 * MB)
    waiting = asyncio.create_task(bodies.take(6 * MB))
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await bodies.take(5 * MB)

    bodies.give(10 * MB)
    await waiting


async def test_who_leaves_while_it_waits_gives_its_turn_to_the_next() -> None:
    bodies = Bodies(10 * MB)
    await bodies.take(5 * MB)
    leaving = asyncio.create_task(bodies.take(6 * MB))
    staying = asyncio.create_task(bodies.take(4 * MB))
    await asyncio.sleep(0)

    leaving.cancel()

    await staying


async def test_who_leaves_in_the_moment_it_is_let_in_gives_its_room_back() -> None:
    bodies = Bodies(10 * MB, wait_seconds=0)
    await bodies.take(10 * MB)
    leaving = asyncio.create_task(bodies.take(6 * MB))
    await asyncio.sleep(0)

    bodies.give(10 * MB)
    leaving.cancel()
    await asyncio.wait([leaving])

    await bodies.take(10 * MB)


async def test_a_body_that_is_larger_than_the_budget_has_it_for_itself() -> None:
    bodies = Bodies(MB, wait_seconds=0)
    room = Room(bodies)

    await room.hold(2 * MB)
    with pytest.raises(Unavailable):
        await Room(bodies).hold(FREE_BYTES + 1)
    room.leave()

    await bodies.take(MB)


async def test_bodies_that_grow_do_not_wait_for_each_other() -> None:
    bodies = Bodies(10 * MB)
    one, other = Room(bodies), Room(bodies)
    await one.hold(5 * MB)
    await other.hold(4 * MB)

    with pytest.raises(Unavailable):
        await other.hold(6 * MB)
    other.leave()

    await one.hold(10 * MB)


async def test_a_request_has_its_room_until_it_is_answered() -> None:
    bodies = Bodies(MB, wait_seconds=0)

    async def app(scope: Message, *_: object) -> None:
        await room_of(scope).hold(MB)
        with pytest.raises(Unavailable):
            await bodies.take(1)

    async def receive() -> Message:
        return {}

    async def send(_: Message) -> None:
        return

    await Housed(app, bodies)({"type": "http"}, receive, send)

    await bodies.take(MB)


def _serving() -> App:
    return build_serving(ServingSettings(), a_host(FakeOutbox(), a_live_view(scopes=["serve"])))


def _ingest() -> App:
    return build_ingest(IngestSettings(), a_host(FakeOutbox()))


def _feedback() -> App:
    return build_feedback(FeedbackSettings(), a_host(FakeOutbox()))


@pytest.mark.parametrize(
    ("app", "path", "headers"),
    [
        (_serving(), "/v1/chat/completions", {}),
        (_ingest(), "/v1/interactions", {}),
        (_ingest(), "/v1/traces", {"content-type": "application/json"}),
        (_feedback(), "/v1/feedback", {}),
    ],
)
async def test_each_door_refuses_in_its_own_format_without_reading(
    app: App, path: str, headers: dict[str, str]
) -> None:
    bodies = Bodies(MB, wait_seconds=0)
    await bodies.take(MB)
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"x" * MB

    transport = httpx.ASGITransport(http_app(app.routes, app.ready, bodies=bodies))
    own = {"authorization": f"Bearer {TOKEN}", "content-length": str(MB), **headers}
    async with httpx.AsyncClient(transport=transport, base_url="http://leeway") as client:
        answer = await client.post(path, content=body(), headers=own)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    said = answer.json()
    assert said["message" if path == "/v1/traces" else "error"]
    assert not read
