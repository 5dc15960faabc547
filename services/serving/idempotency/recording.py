"""A client whose reply is kept as it is sent, and a kept reply sent again."""

from starlette.types import Receive, Send

from services.serving.client import Client, Headers
from services.serving.idempotency.claims import Claim
from services.serving.idempotency.sealing import KeptReply

REPLAYED = (b"idempotency-replayed", b"true")


class RecordingClient(Client):
    """Keeps the reply under a claim before its last byte is sent; a reply that is broken off is not kept."""

    def __init__(self, receive: Receive, send: Send, idle_seconds: float, claim: Claim) -> None:
        super().__init__(receive, send, idle_seconds)
        self._claim = claim
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._whole = True

    def asked(self) -> None:
        self._claim.asked()

    async def begin(self, status: int, headers: Headers) -> None:
        self._status, self._headers = status, list(headers)
        await super().begin(status, self._headers)

    async def write(self, body: bytes) -> None:
        self._take(body)
        await super().write(body)

    async def finish(self, body: bytes) -> None:
        self._take(body)
        kept = KeptReply(self._status, self._headers, bytes(self._body)) if self._whole else None
        await self._claim.keep(kept, self._status)
        await super().finish(body)

    async def break_off(self, body: bytes) -> None:
        await super().finish(body)

    def _take(self, body: bytes) -> None:
        """Remember a part, until all of them are too large."""
        self._whole = self._whole and len(self._body) + len(body) <= self._claim.max_reply_bytes
        if self._whole:
            self._body += body
        else:
            self._body.clear()


async def replay(client: Client, reply: KeptReply) -> None:
    """Send a kept reply again: the same status, headers and bytes, and that it is a replay."""
    await client.begin(reply.status, [*reply.headers, REPLAYED])
    await client.finish(reply.body)
