"""A stub of what passes through: OpenAI's images, sounds, moderations, files and batches, held in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

SOUND = bytes(range(256)) * 4_096
IMAGE_USAGE = {
    "input_tokens": 13,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 13},
    "output_tokens": 272,
    "total_tokens": 285,
}
HEARD_USAGE = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
BATCH_USAGE = {"prompt_tokens": 22, "completion_tokens": 2, "total_tokens": 24}

Json = dict[str, Any]


@dataclass(frozen=True)
class Came:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        body: Json = json.loads(self.raw)
        return body


@dataclass
class Store:
    """The upstream: what came, what it keeps, and (`status`, `cut`, `hang`) how it fails."""

    came: list[Came] = field(default_factory=list)
    files: dict[str, Json] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Json] = field(default_factory=dict)
    status: list[int] = field(default_factory=list)
    cut: bool = False
    hang: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/images/{what}", self._media, methods=["POST"]),
                Route("/v1/audio/{what}", self._media, methods=["POST"]),
                Route("/v1/moderations", self._media, methods=["POST"]),
                Route("/v1/files", self._files, methods=["GET", "POST"]),
                Route("/v1/files/{id}", self._file, methods=["GET", "DELETE"]),
                Route("/v1/files/{id}/content", self._content, methods=["GET"]),
                Route("/v1/batches", self._batches, methods=["GET", "POST"]),
                Route("/v1/batches/{id}", self._batch, methods=["GET"]),
                Route("/v1/batches/{id}/cancel", self._batch, methods=["POST"]),
            ]
        )

    def a_file(self, content: bytes, filename: str, purpose: str) -> Json:
        """Keep a file as if it had been uploaded; its object."""
        name = f"file-{len(self.files) + 1}"
        self.contents[name] = content
        self.files[name] = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": 1_767_225_600,
            "filename": filename,
            "purpose": purpose,
        }
        return self.files[name]

    def finish(self, batch: str, lines: list[Json]) -> None:
        """The batch has ended, with these lines of output."""
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        output = self.a_file(content, "output.jsonl", "batch_output")
        self.batches[batch] |= {"status": "completed", "output_file_id": output["id"]}

    async def _note(self, request: Request) -> Came:
        raw = await request.body()
        came = Came(
            request.method,
            request.url.path,
            dict(request.query_params),
            dict(request.headers),
            raw,
        )
        self.came.append(came)
        self.asked.set()
        return came

    async def _media(self, request: Request) -> Response:
        came = await self._note(request)
        if self.hang:
            while not await request.is_disconnected():
                await asyncio.sleep(0.01)
            self.left.set()
        if self.status:
            error = {"message": "No.", "type": "server_error", "code": "told_no"}
            return JSONResponse({"error": error}, self.status.pop(0))
        match came.path.removeprefix("/v1"):
            case "/audio/speech":
                return StreamingResponse(self._sound(), media_type="audio/mpeg")
            case "/audio/transcriptions" | "/audio/translations":
                return self._heard(came.raw)
            case "/moderations":
                results = [{"flagged": False, "categories": {}}]
                return JSONResponse({"id": "modr-1", "model": "omni", "results": results})
            case _:
                return self._drawn(came.raw)

    async def _sound(self) -> AsyncIterator[bytes]:
        for start in range(0, len(SOUND), 65_536):
            if self.cut and start > 300_000:
                raise ConnectionError("cut off on purpose")
            yield SOUND[start : start + 65_536]

    def _heard(self, raw: bytes) -> Response:
        if b"\r\n\r\nsrt\r\n" in raw:
            return Response("1\n00:00:00,000 --> 00:00:01,000\nHello.\n", media_type="text/plain")
        if b'name="stream"' in raw:
            events: list[Json] = [
                {"type": "transcript.text.delta", "delta": "Hel"},
                {"type": "transcript.text.delta", "delta": "lo."},
                {"type": "transcript.text.done", "text": "Hello.", "usage": HEARD_USAGE},
            ]
            return _events(events[: 2 if self.cut else 3])
        return JSONResponse({"text": "Hello.", "usage": HEARD_USAGE})

    def _drawn(self, raw: bytes) -> Response:
        if b'"stream"' in raw:
            return _events(
                [
                    {"type": "image_generation.partial_image", "b64_json": "AAAA"},
                    {
                        "type": "image_generation.completed",
                        "b64_json": "AAAB",
                        "usage": IMAGE_USAGE,
                    },
                ]
            )
        return JSONResponse({"created": 1, "data": [{"b64_json": "AAAB"}], "usage": IMAGE_USAGE})

    async def _files(self, request: Request) -> Response:
        came = await self._note(request)
        if request.method == "GET":
            return JSONResponse(_page(list(self.files.values()), came.query))
        async with request.form() as form:
            upload: Any = form["file"]
            content = await upload.read()
            made = self.a_file(content, upload.filename, str(form["purpose"]))
        return JSONResponse(made)

    async def _file(self, request: Request) -> Response:
        await self._note(request)
        name = request.path_params["id"]
        if name not in self.files:
            return JSONResponse({"error": {"message": "No such file.", "type": "x"}}, 404)
        if request.method == "DELETE":
            del self.files[name]
            return JSONResponse({"id": name, "object": "file", "deleted": True})
        return JSONResponse(self.files[name])

    async def _content(self, request: Request) -> Response:
        await self._note(request)
        return Response(self.contents[request.path_params["id"]], media_type="application/jsonl")

    async def _batches(self, request: Request) -> Response:
        came = await self._note(request)
        if request.method == "GET":
            return JSONResponse(_page(list(self.batches.values()), came.query))
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            **came.body,
        }
        return JSONResponse(self.batches[name])

    async def _batch(self, request: Request) -> Response:
        await self._note(request)
        batch = self.batches[request.path_params["id"]]
        if request.method == "POST":
            batch["status"] = "cancelling"
        return JSONResponse(batch)


def _page(items: list[Json], query: dict[str, str]) -> Json:
    after, limit = query.get("after", ""), int(query.get("limit", "20"))
    places = [place for place, item in enumerate(items) if item["id"] == after]
    rest = items[places[0] + 1 :] if places else items
    page = rest[:limit]
    return {"object": "list", "data": page, "has_more": len(rest) > limit}


def _events(events: list[Json]) -> Response:
    text = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
    return Response(text, media_type="text/event-stream")
