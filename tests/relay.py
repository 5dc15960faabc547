"""A mail relay on loopback: as much of SMTP (RFC 5321) as a test needs."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


class LoopbackRelay:
    """Keeps the mails it is sent; `answers` replaces the reply to a verb, such as `{"RCPT": "550 no"}`."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.port = 0
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._open)

    def _on_connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(asyncio.ensure_future(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay ready\r\n")
        while line := await reader.readline():
            verb = line.split()[0].decode().upper()
            if verb == "RCPT":
                self.recipients.append(line.decode().partition("<")[2].partition(">")[0])
            answer = self.answers.get(verb, "354 go on" if verb == "DATA" else "250 fine")
            writer.write(f"{answer}\r\n".encode())
            if answer.startswith("354"):
                await self._take(reader, writer)
            if verb == "QUIT":
                break
        writer.close()
        await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = await reader.readuntil(b"\r\n.\r\n")
        self.mails.append(message_from_bytes(text[:-3], policy=policy.default))
        writer.write(b"250 taken\r\n")
