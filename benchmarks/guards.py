"""What guards cost a call: of a clean prompt, of one full of finds, and of each event of a stream.

`python -m benchmarks.guards` prints one line of JSON; `ok` says whether a clean prompt costs at most
`LIMIT_US_PER_KB` and an event of a clean stream at most `LIMIT_US_PER_EVENT`, each in CPU time, the best of `ROUNDS` rounds.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable

import orjson

from services.serving.domain.account import Event
from services.serving.domain.body import parse_body
from services.serving.domain.request import Kind, Request
from services.serving.domain.sse import data_event
from services.serving.guards.admission import admission
from services.serving.guards.catalogue import Catalogue
from services.serving.guards.rails import Rails, rails_of
from services.serving.guards.stream import StreamFilter
from shared.embedding import WordLlamaEmbedder
from shared.policy import Action, Guardrail

LIMIT_US_PER_KB = 50.0
LIMIT_US_PER_EVENT = 150.0
ROUNDS = 7
CALLS = 200

PROSE = (
    "The committee met on Tuesday to discuss the plan for the new wing of the library, and agreed that "
    "work should begin in spring. Members asked about costs; the treasurer said that the estimate of 2024 "
    "still holds, at about 12,500 pounds, though prices may rise. "
)
FINDS = (
    "Mail ann@example.org or call +44 20 7946 0958, card 4111 1111 1111 1111, IBAN GB82 WEST 1234 5698 7654 32, "
    "MRN 00123456, key sk-ant-api03-abcdefghijklmnopqrstuv. "
)


async def measured() -> dict[str, object]:
    """Microseconds for each, and what was measured."""
    async with WordLlamaEmbedder() as embedder:
        catalogue = Catalogue(embedder)
        asked = _rails(catalogue, "pii", "secrets", "deny_list", "prompt_injection")
        answered = _rails(catalogue, "pii", "secrets")
    clean, dense = _chat((PROSE * 10)[:2048]), _chat((PROSE + FINDS) * 5)
    per_kb = _best(lambda: _admit(clean, asked)) / 2
    events = _events(PROSE * 4)
    per_event = _best(lambda: _filter(events, answered), CALLS // 20) / len(events)
    return {
        "benchmark": "guards",
        "guards": ["pii", "secrets", "deny_list", "prompt_injection"],
        "clean_us_per_kb": round(per_kb, 1),
        "dense_us_per_kb": round(_best(lambda: _admit(dense, asked)) / _kilobytes(dense), 1),
        "stream_us_per_event": round(per_event, 1),
        "limit_us_per_kb": LIMIT_US_PER_KB,
        "limit_us_per_event": LIMIT_US_PER_EVENT,
        "ok": per_kb <= LIMIT_US_PER_KB and per_event <= LIMIT_US_PER_EVENT,
    }


def _rails(catalogue: Catalogue, *kinds: str) -> Rails:
    options: dict[str, dict[str, object]] = {
        "deny_list": {"words": [f"word{n}" for n in range(200)]}
    }
    actions: dict[str, Action] = {"prompt_injection": "flag"}
    guardrails = [
        Guardrail(kind=kind, action=actions.get(kind, "redact"), options=options.get(kind, {}))
        for kind in kinds
    ]
    return rails_of("input", [(each, catalogue.rail(each)) for each in guardrails])


def _chat(text: str) -> Request:
    tree = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return Request(Kind.CHAT, "m", parse_body(orjson.dumps(tree)), {})


def _kilobytes(request: Request) -> float:
    return len(request.body.tree["messages"][0]["content"]) / 1024


def _events(text: str) -> list[Event]:
    chunks = [
        {"id": "c", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in re.findall(r"\s?\S+", text)
    ]
    return [Event(data_event(orjson.dumps(chunk)), chunk) for chunk in chunks]


def _admit(request: Request, rails: Rails) -> None:
    coroutine = admission(request, rails)
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("a prompt of this size is looked at where it came")


def _filter(events: list[Event], rails: Rails) -> None:
    through = StreamFilter(_chat(""), rails)
    for event in events:
        through.feed([event])


def _best(work: Callable[[], None], calls: int = CALLS) -> float:
    """Microseconds of CPU of one call, in the best of the rounds: what the machine does beside it only adds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(calls):
            work()
        rounds.append((time.process_time() - began) / calls * 1e6)
    return min(rounds)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured())))
