"""What passes through, over sockets: bytes as they came, metered and recorded, and refused like every other call."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.gateway import READER_KEY, Gateway, gateway, one_upstream, tell
from tests.passing import HEARD_USAGE, SOUND, Store
from tests.upstream import served
from tests.waiting import until


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
async def leeway(store: Store) -> AsyncIterator[Gateway]:
    async with served(store.app()) as urls, gateway(one_upstream(urls[0])) as running:
        yield running


@pytest.fixture
async def client(leeway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{leeway.url}/v1", api_key=leeway.key, max_retries=0) as made:
        yield made


@pytest.fixture
async def http(leeway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {leeway.key}"}
    async with aiohttp.ClientSession(leeway.url, headers=headers) as session:
        yield session


async def test_a_picture_is_drawn_and_its_usage_recorded(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    drawn = await client.images.generate(
        model="gpt", prompt="A gate", extra_body={"unheard_of": [1]}
    )

    assert drawn.data
    assert drawn.data[0].b64_json == "AAAB"
    [came] = store.came
    assert came.body == {"model": "gpt-4o-mini", "prompt": "A gate", "unheard_of": [1]}
    assert came.headers["authorization"] == "Bearer sk-stub-secret"
    [stored] = leeway.interactions
    assert (stored.kind, stored.status, stored.input_text) == ("image", "ok", "A gate")
    assert (stored.input_tokens, stored.output_tokens) == (13, 272)
    assert leeway.outbox.opened == {}


async def test_a_picture_is_streamed_with_its_usage(client: AsyncOpenAI, leeway: Gateway) -> None:
    stream = await client.images.generate(model="gpt", prompt="A gate", stream=True)

    kinds = [event.type async for event in stream]

    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    [stored] = leeway.interactions
    assert (stored.streaming, stored.status, stored.output_tokens) == (True, "ok", 272)


async def test_a_form_passes_byte_for_byte_but_for_its_model(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    heard = await client.audio.transcriptions.create(
        model="gpt", file=("hello.wav", SOUND), extra_body={"unheard_of": "yes"}
    )

    assert heard.text == "Hello."
    [came] = store.came
    assert SOUND in came.raw
    assert b'name="model"\r\n\r\ngpt-4o-mini\r\n' in came.raw
    assert b'name="unheard_of"\r\n\r\nyes\r\n' in came.raw
    [stored] = leeway.interactions
    assert (stored.kind, stored.output_text) == ("audio", "Hello.")
    assert stored.input_tokens == HEARD_USAGE["input_tokens"]


async def test_a_sound_is_relayed_in_bytes_of_its_own_type(
    client: AsyncOpenAI, leeway: Gateway
) -> None:
    spoken = await client.audio.speech.with_raw_response.create(
        model="gpt", voice="alloy", input="Hello"
    )

    assert spoken.content == SOUND
    assert spoken.headers["content-type"] == "audio/mpeg"
    [stored] = leeway.interactions
    assert (stored.kind, stored.status, stored.input_text) == ("audio", "ok", "Hello")
    assert stored.interaction_id == spoken.headers["x-request-id"]


async def test_what_is_heard_is_streamed_or_written_as_asked(
    client: AsyncOpenAI, http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    stream = await client.audio.transcriptions.create(
        model="gpt", file=("a.wav", b"RIFF"), stream=True
    )
    kinds = [event.type async for event in stream]
    form = aiohttp.FormData({"model": "gpt", "response_format": "srt"})
    form.add_field("file", b"RIFF", filename="a.wav")
    async with http.post("/v1/audio/translations", data=form) as reply:
        subtitles = await reply.text()

    assert kinds[-1] == "transcript.text.done"
    assert subtitles.startswith("1\n00:00:00,000")
    assert [one.status for one in leeway.interactions] == ["ok", "ok"]
    assert leeway.interactions[0].output_tokens == HEARD_USAGE["output_tokens"]


async def test_a_moderation_is_asked_and_recorded(client: AsyncOpenAI, leeway: Gateway) -> None:
    told = await client.moderations.create(model="gpt", input="All well?")

    assert not told.results[0].flagged
    assert [(one.kind, one.status) for one in leeway.interactions] == [("moderation", "ok")]


async def test_a_sound_that_is_cut_off_ends_in_no_whole_answer(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    store.cut = True

    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post("/v1/audio/speech", json={"model": "gpt", "input": "Hi"}) as reply:
            await reply.read()

    await until(lambda: bool(leeway.interactions))
    [stored] = leeway.interactions
    assert (stored.status, stored.error_type) == ("interrupted", "upstream_unreachable")


async def test_events_that_are_cut_off_end_with_an_error_event(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    store.cut = True
    form = aiohttp.FormData({"model": "gpt", "stream": "true"})
    form.add_field("file", b"RIFF", filename="a.wav")

    async with http.post("/v1/audio/transcriptions", data=form) as reply:
        text = await reply.text()

    assert '"error"' in text.strip().rsplit("\n\n", 1)[-1]
    assert leeway.interactions[0].status == "interrupted"


async def test_a_failure_before_the_first_byte_is_tried_again(
    client: AsyncOpenAI, leeway: Gateway, store: Store
) -> None:
    store.status = [503]

    await client.audio.speech.create(model="gpt", voice="alloy", input="Hello")

    assert [one.status for one in leeway.interactions[0].attempts] == ["error", "ok"]


async def test_an_upstreams_refusal_is_told_in_its_words(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    store.status = [400]

    async with http.post("/v1/images/generations", json={"model": "gpt", "prompt": "x"}) as reply:
        told = await reply.json()

    assert (reply.status, told["error"]["code"]) == (400, "told_no")
    assert leeway.interactions[0].status == "error"


async def test_a_client_that_leaves_cancels_the_upstream(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    store.hang = True
    asking = asyncio.create_task(
        http.post("/v1/audio/speech", json={"model": "gpt", "input": "Hi"})
    )
    await store.asked.wait()

    asking.cancel()

    await asyncio.wait_for(store.left.wait(), 5)
    await until(lambda: bool(leeway.interactions))
    assert leeway.interactions[0].status == "cancelled"


async def test_a_model_without_such_a_provider_is_refused(
    http: aiohttp.ClientSession, leeway: Gateway
) -> None:
    async with http.post("/v1/images/generations", json={"model": "demo", "prompt": "x"}) as reply:
        told = await reply.json()

    assert (reply.status, told["error"]["code"]) == (400, "unsupported_operation")
    assert leeway.interactions == []


async def test_a_guard_redacts_a_field_of_a_form_and_nothing_else(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    guard = {"kind": "pii", "action": "redact", "on": ["input"]}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"guardrails": [guard]}})
    form = aiohttp.FormData({"model": "gpt", "prompt": "For ann@example.org", "size": "auto"})
    form.add_field("image", SOUND, filename="a.png")

    async with http.post("/v1/images/edits", data=form) as reply:
        await reply.read()

    assert reply.status == 200
    [came] = store.came
    assert b"ann@example.org" not in came.raw
    assert SOUND in came.raw


def bound(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


MODEL = b'Content-Disposition: form-data; name="model"\r\n\r\ngpt'
WRONG_FORMS = {
    "many parts": bound(MODEL, *[MODEL.replace(b"model", b"x%d" % n) for n in range(70)]),
    "many headers": bound(b"a: b\r\n" * 20 + MODEL),
    "a huge header": bound(b"a: " + b"x" * 10_000 + b"\r\n" + MODEL),
    "two models": bound(MODEL, MODEL),
    "two names": bound(MODEL, b'Content-Disposition: form-data; name="a"; name="model"\r\n\r\nb'),
    "a name in two spellings": bound(
        b"Content-Disposition: form-data; name=\"a\"; name*=utf-8''model\r\n\r\ngpt"
    ),
    "two dispositions": bound(b'Content-Disposition: form-data; name="a"\r\n' + MODEL),
    "a line break in a filename": bound(
        MODEL, b'Content-Disposition: form-data; name="file"; filename="a\nX-Evil: 1"\r\n\r\nb'
    ),
    "a null in a filename": bound(
        MODEL, b'Content-Disposition: form-data; name="file"; filename="a\x00b"\r\n\r\nb'
    ),
    "no end": bound(MODEL)[:-6],
    "no name": bound(MODEL, b"Content-Type: text/plain\r\n\r\nb"),
    "a long text": bound(
        MODEL, b'Content-Disposition: form-data; name="prompt"\r\n\r\n' + b"x" * 300_000
    ),
    "no UTF-8": bound(MODEL, b'Content-Disposition: form-data; name="prompt"\r\n\r\n\xff'),
}


@pytest.mark.parametrize("case", WRONG_FORMS)
async def test_a_form_that_two_readers_may_read_differently_is_refused(
    http: aiohttp.ClientSession, store: Store, case: str
) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}

    async with http.post("/v1/images/edits", data=WRONG_FORMS[case], headers=headers) as reply:
        told = await reply.json()

    assert (reply.status, told["error"]["code"]) == (400, "invalid_form")
    assert store.came == []


@pytest.mark.parametrize(
    "boundary", ["", "; boundary=", f"; boundary={'x' * 200}", '; boundary="a\tb"']
)
async def test_a_form_without_a_boundary_is_refused(
    http: aiohttp.ClientSession, boundary: str
) -> None:
    headers = {"content-type": f"multipart/form-data{boundary}"}

    async with http.post("/v1/images/edits", data=bound(MODEL), headers=headers) as reply:
        told = await reply.json()

    assert (reply.status, told["error"]["code"]) == (400, "invalid_form")


async def test_a_key_that_may_not_serve_passes_nothing(leeway: Gateway, store: Store) -> None:
    headers = {"authorization": f"Bearer {READER_KEY}"}
    async with (
        aiohttp.ClientSession(leeway.url, headers=headers) as session,
        session.post("/v1/moderations", json={"model": "gpt", "input": "x"}) as reply,
    ):
        assert reply.status == 403

    assert store.came == []


async def test_guards_on_answers_are_not_passed_by_with_another_format(
    http: aiohttp.ClientSession, leeway: Gateway, store: Store
) -> None:
    guard = {"kind": "pii", "action": "redact", "on": ["output"]}
    tell(leeway.live, "tenant", "acme", {"content": "full", "policy": {"guardrails": [guard]}})
    form = aiohttp.FormData({"model": "gpt", "response_format": "srt"})
    form.add_field("file", b"RIFF", filename="a.wav")

    async with http.post("/v1/audio/transcriptions", data=form) as reply:
        told = await reply.json()

    assert (reply.status, told["error"]["code"]) == (400, "unsupported_operation")
    assert store.came == []
