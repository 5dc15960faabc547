"""A stub upstream: speaks OpenAI's and Anthropic's protocols, streams in deltas, and fails on request.

A request tells it what to do in its field `stub` (or a test in `Upstream.stub`), an object:

status, body, headers   answer with this status, body (text) and headers
content_type            of `body`
hang                    true: answer nothing until the caller goes away
cut_after               a stream's connection ends after this many events, the last word unsaid
error_after             a stream says an error after this many events
raw_events              a stream is exactly these texts, then its end
pause                   seconds between a stream's events
text                    what is answered
usage                   true: a stream tells its usage, asked for or not

Run it by itself: `python -m tests.upstream` prints its URL.
"""

import argparse
import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvloop
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from shared.server import Server

TEXT = "Leeway passes every byte."
CHAT_USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 5,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
MESSAGE_USAGE = {"input_tokens": 17, "cache_read_input_tokens": 4, "output_tokens": 5}

Json = dict[str, Any]


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        body: Json = json.loads(self.raw)
        return body


@dataclass
class Upstream:
    """What the stub saw, and what it does unless a request says otherwise.

    `next` is what it does with the next requests instead, one each. `asked` is set when a request has come, `left`
    when a caller goes away before its answer is whole.
    """

    received: list[Received] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    stub: Json = field(default_factory=dict)
    next: list[Json] = field(default_factory=list)
    keep: bool = True

    def app(self) -> Starlette:
        messages = ("/v1/messages", "/v1/messages/count_tokens")
        paths = ("/v1/chat/completions", "/v1/embeddings", *messages)
        return Starlette(routes=[Route(path, _Answering(self), methods=["POST"]) for path in paths])


class _Answering:
    """The stub as an ASGI application."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await _read(receive)
        if self._upstream.keep:
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            self._upstream.received.append(Received(scope["path"], headers, raw))
            self._upstream.asked.set()
        own = self._upstream.next.pop(0) if self._upstream.next else self._upstream.stub
        request = {"stub": own, **json.loads(raw)}
        stub = request["stub"]
        if stub.get("hang"):
            await self._until_left(receive)
        elif "status" in stub or "body" in stub:
            await _answer_text(send, stub)
        elif request.get("stream"):
            await self._stream(scope["path"], request, receive, send)
        else:
            body = json.dumps(_whole(scope["path"], request)).encode()
            await _answer(send, 200, body, {"content-type": "application/json"})

    async def _until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._upstream.left.set()

    async def _stream(self, path: str, request: Json, receive: Receive, send: Send) -> None:
        stub = request["stub"]
        watch = asyncio.create_task(self._until_left(receive)) if stub else None
        await _start(send, 200, {"content-type": "text/event-stream"})
        for place, event in enumerate(_events(path, request)):
            if place == stub.get("cut_after"):
                return
            if place == stub.get("error_after"):
                event = 'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'  # noqa: PLW2901
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
            if stub.get("pause"):
                await asyncio.sleep(stub["pause"])
            if watch is not None and watch.done():
                return
        if watch is not None:
            watch.cancel()
        await send({"type": "http.response.body", "body": b""})


def _whole(path: str, request: Json) -> Json:
    if path.endswith("/embeddings"):
        return _embedding(request)
    if path.endswith("/count_tokens"):
        return {"input_tokens": 21}
    return _message(request) if path.endswith("/messages") else _completion(request)


def _events(path: str, request: Json) -> Iterator[str]:
    if "raw_events" in request["stub"]:
        yield from request["stub"]["raw_events"]
    elif path.endswith("/messages"):
        for event in _message_events(request):
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    else:
        for chunk in _chunks(request):
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"


def _completion(request: Json) -> Json:
    message: Json = {"role": "assistant", "content": _text(request), "refusal": None}
    called = _called(request)
    if called:
        call = {"id": "call_1", "type": "function", "function": called}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    reason = "tool_calls" if called else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": CHAT_USAGE}


def _chunks(request: Json) -> Iterator[Json]:
    head = _head(request, "chat.completion.chunk")
    asked = (request.get("stream_options") or {}).get("include_usage") is True
    wants_usage = asked or bool(request["stub"].get("usage"))
    usage: Json = {"usage": None} if wants_usage else {}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    called = _called(request)
    if called:
        first = {"index": 0, "id": "call_1", "type": "function"}
        function = {"name": called["name"], "arguments": ""}
        deltas.append({"tool_calls": [{**first, "function": function}]})
        pieces = _pieces(called["arguments"])
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces]
    else:
        deltas += [{"content": piece} for piece in _pieces(_text(request))]
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **usage}
    reason = "tool_calls" if called else "stop"
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **usage}
    if wants_usage:
        yield {**head, "choices": [], "usage": CHAT_USAGE}


def _head(request: Json, kind: str) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1_767_225_600,
        "model": f"{request['model']}-2026-01-01",
        "service_tier": "default",
    }


def _embedding(request: Json) -> Json:
    texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
    data = [
        {"object": "embedding", "index": i, "embedding": [1.0, 0.5, float(i)]}
        for i in range(len(texts))
    ]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": request["model"], "usage": usage}


def _message(request: Json) -> Json:
    called = _called(request)
    block = {"type": "text", "text": _text(request)}
    if called:
        arguments = json.loads(called["arguments"])
        block = {"type": "tool_use", "id": "toolu_1", "name": called["name"], "input": arguments}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": [block],
        "stop_reason": "tool_use" if called else "end_turn",
        "stop_sequence": None,
        "usage": MESSAGE_USAGE,
    }


def _message_events(request: Json) -> Iterator[Json]:
    message = _message(request)
    block = message["content"][0]
    started = {**message, "content": [], "stop_reason": None}
    yield {
        "type": "message_start",
        "message": {**started, "usage": {**MESSAGE_USAGE, "output_tokens": 1}},
    }
    yield {"type": "ping"}
    tool = block["type"] == "tool_use"
    empty = {**block, "input": {}} if tool else {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    for piece in _pieces(json.dumps(block["input"]) if tool else block["text"]):
        grown = (
            {"type": "input_json_delta", "partial_json": piece}
            if tool
            else {"type": "text_delta", "text": piece}
        )
        yield {"type": "content_block_delta", "index": 0, "delta": grown}
    yield {"type": "content_block_stop", "index": 0}
    stopped = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _called(request: Json) -> Json | None:
    """The first tool with a fixed argument, unless a tool has already answered."""
    tools = request.get("tools")
    last = json.dumps(request["messages"][-1])
    if not tools or '"tool"' in last or '"tool_result"' in last:
        return None
    name = tools[0].get("name") or tools[0]["function"]["name"]
    return {"name": name, "arguments": '{"city": "Zürich"}'}


def _text(request: Json) -> str:
    """What a test wants to be answered; what a schema wants, where the request has one; else the usual."""
    formats = (request.get("response_format"), request.get("output_config", {}).get("format"))
    shaped = any(wanted and wanted.get("type") == "json_schema" for wanted in formats)
    return str(request.get("stub", {}).get("text", '{"city": "Zürich"}' if shaped else TEXT))


def _pieces(text: str) -> list[str]:
    return [text[start : start + 6] for start in range(0, len(text), 6)]


async def _read(receive: Receive) -> bytes:
    raw = bytearray()
    while True:
        message = await receive()
        raw += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(raw)


async def _answer_text(send: Send, stub: Json) -> None:
    headers = {"content-type": stub.get("content_type", "application/json")}
    body = stub.get("body", "").encode("latin-1")
    await _answer(send, stub.get("status", 200), body, {**headers, **stub.get("headers", {})})


async def _answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    await _start(send, status, {**headers, "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


@asynccontextmanager
async def dropping(times: int) -> AsyncIterator[str]:
    """The URL of a server that closes the first connections without a byte, and then answers."""
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if b"content-length" in line.lower())
        request = json.loads(await reader.readexactly(int(length.split(b":")[1])))
        if asked > times:
            body = json.dumps(_completion(request)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def served(*apps: Starlette) -> AsyncIterator[list[str]]:
    """Each application on a free port of its own; their URLs."""
    listeners = [a_listener() for _ in apps]
    servers = [Server(app, drain_seconds=5) for app in apps]
    running = [
        asyncio.create_task(server.serve_on(listener))
        for server, listener in zip(servers, listeners, strict=True)
    ]
    try:
        yield [f"http://127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    finally:
        for server in servers:
            server.drain()
        await asyncio.gather(*running)


def a_listener(port: int = 0) -> socket.socket:
    """A socket that listens on loopback, on a free port unless one is given."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY only when told
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


async def _alone(port: int) -> None:
    listener = a_listener(port)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await Server(Upstream(keep=False).app(), drain_seconds=1).serve_on(listener)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_alone(parser.parse_args().port))
