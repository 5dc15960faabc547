"""A Leeway server for tests: real HTTP on a free loopback port, which answers what it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import leeway

PATIENCE_SECONDS = 15.0
SOURCE = Path(__file__).parent.parent / "src"

# A client that is quick to send and quick to try again.
QUICK = leeway.Limits(
    batch_seconds=0.02,
    first_retry_seconds=0.02,
    longest_retry_seconds=0.1,
    rescan_seconds=0.05,
    request_seconds=5.0,
    exit_seconds=2.0,
)

MakeClient = Callable[..., leeway.Client]


@dataclass
class Answer:
    """What the server says to one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What one request said."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answerer = Callable[[Request], Answer]


def accepts(request: Request) -> Answer:
    """Accept every item, as the real server does."""
    items = _items(request)
    return verdicts([{"id": item.get("id", ""), "status": "accepted"} for item in items])


def verdicts(results: Sequence[Mapping[str, object]]) -> Answer:
    words = [result["status"] for result in results]
    accepted = words.count("accepted")
    counts = {"accepted": accepted, "rejected": len(results) - accepted}
    status = 200 if accepted else 400 if "rejected" in words else 409
    return Answer(status, json.dumps({**counts, "results": results}).encode())


class Stub:
    """The server's side of a test: what came in, and what is answered from now on."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answer: Answerer = accepts
        self.requests: list[Request] = []
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def receive(self, request: Request) -> Answer:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return self.answer(request)

    def hold(self) -> threading.Event:
        """Answer nothing until the event is set."""
        release = threading.Event()

        def answer(request: Request) -> Answer:
            return accepts(request) if release.wait(PATIENCE_SECONDS) else Answer(500)

        self.answer = answer
        return release

    def items(self, word: str = "interactions") -> list[Any]:
        """Every item that was posted to an endpoint, in order, whatever was answered."""
        posted = [one for one in self.requests if one.path == f"/v1/{word}"]
        return [item for request in posted for item in _items(request)]

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, PATIENCE_SECONDS)


@contextmanager
def serving(port: int = 0) -> Iterator[Stub]:
    """A stub that serves in a thread; `port` brings a server back where it was."""
    stub = Stub(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: with Nagle's algorithm the second waits for an acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = stub.receive(Request(self.path, headers, self.rfile.read(length)))
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            pass

    server = _Server(("127.0.0.1", port), Handler)
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    # Handlers may hang on purpose: closing does not wait for them.
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests are about."""


def _items(request: Request) -> list[Any]:
    values = list(request.json.values())
    return values[0] if values and isinstance(values[0], list) else []


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something in another thread or process, which has nothing to tell us by."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        threading.Event().wait(0.01)


def program(
    text: str, stub_url: str, folder: Path, stdin: int | None = None
) -> subprocess.Popen[str]:
    """A process of its own that runs a program with the SDK configured by its environment."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "LEEWAY_API_KEY": "lk_test",
        "LEEWAY_BASE_URL": stub_url,
        "LEEWAY_SPOOL_DIR": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env=environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
    )
