"""Every way to ask wrongly: its status, its code, one sentence, and nothing asked of an upstream."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.serving.settings import Settings
from shared.live import hash_secret, split_key
from shared.tokens import new_token
from tests.gateway import KEY, PEPPER, READER_KEY, Gateway, gateway, one_upstream, tell
from tests.upstream import Upstream, served

REVOKED, EXPIRED, UNKNOWN = (new_token("production") for _ in range(3))
GOOD = b'{"model":"gpt","messages":[{"role":"user","content":"hi"}]}'
LARGE = b'{"model":"gpt","messages":[{"role":"user","content":"' + b"x" * 5000 + b'"}]}'


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def leeway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with (
        served(upstream.app()) as urls,
        gateway(one_upstream(urls[0]), settings=Settings(max_body_bytes=4096)) as running,
    ):
        for token, change in (
            (REVOKED, {"revoked": True}),
            (EXPIRED, {"expires_at": "2020-01-01T00:00:00+00:00"}),
        ):
            key_id, secret = split_key(token)
            told = {
                "tenant": "acme",
                "project": "default",
                "environment": "production",
                "scopes": ["serve"],
                "secret_hash": hash_secret(PEPPER, secret),
            }
            tell(running.live, "key", key_id, {**told, **change})
        yield running


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def said(content: bytes) -> bytes:
    return b'{"model":"gpt","messages":[{"role":"user","content":' + content + b"}]}"


WRONG_BODIES: dict[str, tuple[Any, int, str]] = {
    "truncated": (GOOD[:-3], 400, "invalid_json"),
    "nothing": (b"", 400, "invalid_json"),
    "duplicate key": (b'{"model":"gpt",' + GOOD[1:], 400, "duplicate_key"),
    "NaN": (b'{"temperature":NaN,' + GOOD[1:], 400, "invalid_json"),
    "infinity": (b'{"temperature":1e999,' + GOOD[1:], 400, "invalid_json"),
    "nested 65 deep": (said(b"[" * 62 + b"]" * 62), 400, "too_deep"),
    "nested 4,000 deep, cut off": (b"[" * 4_000, 400, "invalid_json"),
    "lone surrogate": (said(b'"\\ud800"'), 400, "invalid_json"),
    "invalid UTF-8": (said(b'"\xff\xfe"'), 400, "invalid_json"),
    "no object": (b"[]", 400, "invalid_request"),
    "unknown model": (GOOD.replace(b"gpt", b"nope"), 404, "model_not_found"),
    "unknown model, no messages": (b'{"model":"nope","messages":[]}', 404, "model_not_found"),
    "unknown model, bad JSON": (b'{"model":"nope"', 400, "invalid_json"),
    "no model": (b'{"messages":[]}', 400, "invalid_request"),
    "no messages": (b'{"model":"gpt"}', 400, "invalid_request"),
    "empty messages": (b'{"model":"gpt","messages":[]}', 400, "invalid_request"),
    "too large": (LARGE, 413, "body_too_large"),
    "too large, in chunks": (in_pieces, 413, "body_too_large"),
}


@pytest.mark.parametrize("case", WRONG_BODIES)
async def test_a_wrong_body_is_refused_in_one_sentence(
    leeway: Gateway, upstream: Upstream, case: str
) -> None:
    body, status, code = WRONG_BODIES[case]
    sent = body if isinstance(body, bytes) else body(LARGE)

    assert await refused(leeway, data=sent) == (status, code)
    assert (upstream.received, leeway.interactions) == ([], [])


async def test_a_body_nested_ten_thousand_deep_is_refused_in_one_sentence(
    upstream: Upstream,
) -> None:
    async with served(upstream.app()) as urls, gateway(one_upstream(urls[0])) as leeway:
        closed = said(b"[" * 10_000 + b"]" * 10_000)
        objects = said(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)

        assert await refused(leeway, data=closed) == (400, "invalid_json")
        assert await refused(leeway, data=objects) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("", 401, "invalid_api_key"),
        ("Bearer", 401, "invalid_api_key"),
        ("Bearer sk-something", 401, "invalid_api_key"),
        (f"Bearer {KEY[:-1]}", 401, "invalid_api_key"),
        (f"Bearer {UNKNOWN}", 401, "invalid_api_key"),
        (f"Bearer {REVOKED}", 401, "invalid_api_key"),
        (f"Bearer {EXPIRED}", 401, "invalid_api_key"),
        (f"Bearer {READER_KEY}", 403, "denied"),
    ],
)
@pytest.mark.parametrize("body", [GOOD, b"{", b'{"model":"nope","messages":[]}'])
async def test_a_wrong_key_is_refused_before_the_body_is_looked_at(
    leeway: Gateway, upstream: Upstream, key: str, status: int, code: str, body: bytes
) -> None:
    assert await refused(leeway, data=body, authorization=key) == (status, code)
    assert upstream.received == []


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "x"],
)
async def test_a_body_that_says_it_is_no_json_is_a_415(leeway: Gateway, media_type: str) -> None:
    headers = {"content-type": media_type}

    assert await refused(leeway, data=GOOD, **headers) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "application/vnd.api+json", ""]
)
async def test_a_body_that_may_be_json_is_read(leeway: Gateway, media_type: str) -> None:
    async with ask(leeway, data=GOOD, **{"content-type": media_type}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("GET /v1/chat/completions", 405, "method_not_allowed"),
        ("PUT /v1/embeddings", 405, "method_not_allowed"),
        ("DELETE /v1/models", 405, "method_not_allowed"),
        ("PROPFIND /v1/models", 405, "method_not_allowed"),
        ("GET /", 404, "not_found"),
        ("POST /v1/nothing", 404, "not_found"),
        ("GET /v1/chat/completions/x", 404, "not_found"),
        ("GET /v1/models/nope", 404, "model_not_found"),
    ],
)
async def test_another_method_or_path_is_refused_in_openais_format(
    leeway: Gateway, line: str, status: int, code: str
) -> None:
    method, path = line.split()

    assert await refused(leeway, method, path) == (status, code)


async def test_a_405_says_what_the_path_takes(leeway: Gateway) -> None:
    async with ask(leeway, "GET") as response:
        assert response.headers["allow"] == "POST"


def ask(
    leeway: Gateway,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    *,
    data: Any = None,
    **headers: str,
) -> Any:
    own = {"authorization": f"Bearer {leeway.key}", "content-type": "application/json"}
    given = {name: value for name, value in {**own, **headers}.items() if value}
    skipped = [name for name in own if name not in given]
    return aiohttp.request(
        method,
        leeway.url + path,
        data=data,
        headers=given,
        skip_auto_headers=skipped,
        timeout=aiohttp.ClientTimeout(total=10),
    )


async def refused(leeway: Gateway, *line: str, **fields: Any) -> tuple[int, str]:
    """The status and the code of a refusal, which is one sentence in OpenAI's format."""
    async with ask(leeway, *line, **fields) as response:
        error = (await response.json())["error"]
    assert set(error) <= {"message", "type", "param", "code", "faults"}
    assert error["type"] in {"invalid_request_error", "authentication_error", "permission_error"}
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]
    return response.status, error["code"]
