"""docs/api.md does what it says: every request in it is sent, in order, and answered as it shows."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.feedback.domain import FIXED_LABELS
from tests.stack import Stack, a_stack

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```bash\n(?P<request>.*?)```\n\n```http\n(?P<answer>.*?)```", re.DOTALL)
TIMEOUT_SECONDS = 60
ELIDED = "..."

# What differs from one installation, or one call, to the next.
VOLATILE = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uuid>",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00": "<time>",
    r"(lk_[a-z]+)_\w{8}_(\w{43}_[0-9a-f]{6}|\.\.\.)": r"\1_<token>",
    r"(lk_[a-z]+)_[A-Za-z0-9]{8}\b": r"\1_<key>",
    r"key:[A-Za-z0-9]{8}\b": "key:<key>",
    r'"key_id": "[A-Za-z0-9]{8}"': '"key_id": "<key>"',
    r'"created(_at)?": ?\d{10}\b': r'"created\1": <seconds>',
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Answer:
    """What `curl -i` prints: a status line, headers, and a body."""

    status: str
    headers: Mapping[str, str]
    body: str

    @property
    def settled(self) -> list[str]:
        """The body without what differs from call to call: its JSON in one form, or else its lines."""
        text = self.body
        if text.startswith("{"):
            text = json.dumps(json.loads(text))
        return [line for line in steady(text).splitlines() if line]


def answer_of(printed: str) -> Answer:
    head, _, body = printed.partition("\n\n")
    status, *lines = head.splitlines()
    pairs = (line.partition(": ") for line in lines)
    return Answer(status, {name: steady(value) for name, _, value in pairs}, body.strip())


def steady(text: str) -> str:
    for pattern, stand_in in VOLATILE.items():
        text = re.sub(pattern, stand_in, text)
    return text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with a_stack(tmp_path_factory.mktemp("api")) as running:
        yield running


def environment(stack: Stack) -> dict[str, str]:
    """What the page asks to be set."""
    secrets = stack.folder / "data" / "secrets" / "credentials.json"
    return {
        **os.environ,
        "LEEWAY_URL": stack.ready["url"],
        "LEEWAY_API_KEY": stack.ready["api_key"],
        "LEEWAY_ADMIN_KEY": json.loads(secrets.read_text())["keys"]["leeway/operator"],
    }


async def sent(request: str, env: Mapping[str, str]) -> Answer:
    """Run a block of the page as a shell does."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", request),
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, f"{request}\n{complaints.decode()}"
    return answer_of(printed.decode().replace("\r\n", "\n"))


async def test_every_request_of_the_page_is_answered_as_it_shows(stack: Stack) -> None:
    env = environment(stack)

    for example in EXAMPLE.finditer(PAGE):
        request, told = example["request"], answer_of(example["answer"])
        answered = await sent(request, env)
        assert answered.status.rstrip() == told.status, request
        assert told.headers.items() <= answered.headers.items(), request
        assert_told(told.settled, answered.settled, request)
        if '"token"' in answered.body:
            env["KEY_ID"] = json.loads(answered.body)["key_id"]


def assert_told(told: list[str], answered: list[str], request: str) -> None:
    """The page tells the whole of a body, or its end after an elision."""
    if ELIDED in told:
        told = told[told.index(ELIDED) + 1 :]
        answered = answered[-len(told) :]
    assert answered == told, request


async def test_no_request_of_the_page_is_without_its_answer() -> None:
    assert PAGE.count("```bash\n") == PAGE.count("```http\n") == len(EXAMPLE.findall(PAGE)) > 0


def feedback_of_the_page() -> Iterator[dict[str, Any]]:
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL):
        yield json.loads(block)


async def test_each_kind_of_feedback_is_accepted_as_the_page_tells_it(stack: Stack) -> None:
    items = [*feedback_of_the_page()]
    key = {"authorization": f"Bearer {stack.ready['api_key']}"}

    async with httpx.AsyncClient(base_url=stack.ready["url"], headers=key) as client:
        batch = await client.post("/v1/feedback", json={"feedback": items})
        bare = await client.post("/v1/feedback", json=items[0])

    told = sorted(item["kind"] for item in items)
    assert told == sorted(
        [*FIXED_LABELS, "score", "comment", "correction", "ranking", "preference", "outcome"]
    )
    assert [verdict["status"] for verdict in batch.json()["results"]] == ["accepted"] * 8
    assert not any("ignored" in verdict for verdict in batch.json()["results"])
    assert bare.json()["accepted"] == 1
