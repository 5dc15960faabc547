"""Kept answers on a Valkey or Redis server, for all workers of a cluster."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta

from services.serving.cache.coding import decode, encode
from services.serving.cache.nearest import Likeness, key_of, nearest, record_of
from services.serving.cache.port import Saved, Scope
from services.serving.state.server import Server
from shared.clock import Clock, micros

# A subject's list outlives every answer in it: no policy keeps one for longer.
_LONGEST_MS = 31 * 86_400 * 1000
_AT_ONCE = 500
# The newest questions of a group stay, but for those whose answers have had their time (`nearest.py` says where
# in a record that stands).
_ADD_QUESTION = """
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
while true do
  local first = redis.call('LINDEX', KEYS[1], 0)
  if not first or struct.unpack('<i8', first, 33) >= tonumber(ARGV[3]) then break end
  redis.call('LPOP', KEYS[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""

# Joined there, hundreds of records are one reply: taking them apart here would cost more than comparing them.
_QUESTIONS = "return table.concat(redis.call('LRANGE', KEYS[1], 0, -1))"


class ValkeyCache:
    """Answers on a server; satisfies `Cache`, and raises `StateAway`, which is an `Unavailable`.

    An answer is a value with an end. The questions of a group are a list of records, of which the newest
    `questions` are kept and compared here. Each subject has a set of what is its own, for erasure. The
    server bounds its memory itself (`maxmemory`, `volatile-lfu`).
    """

    def __init__(self, server: Server, clock: Clock, *, questions: int) -> None:
        self._server = server
        self._client = server.client
        self._clock = clock
        self._questions = questions
        self._add_question = self._client.register_script(_ADD_QUESTION)
        self._questions_of = self._client.register_script(_QUESTIONS)

    async def get(self, scope: Scope, key: str) -> Saved | None:
        value = await self._server.asked(self._client.get, _answer(scope, key))
        return None if value is None else decode(value, self._clock.now())

    async def put(self, scope: Scope, key: str, saved: Saved, seconds: float) -> None:
        ends_at = saved.saved_at + timedelta(seconds=seconds)
        milliseconds = int((ends_at - self._clock.now()) / timedelta(milliseconds=1))
        if milliseconds < 1:
            return
        steps = self._client.pipeline(transaction=True)
        steps.set(_answer(scope, key), encode(saved, ends_at), px=milliseconds)
        if saved.likeness is not None:
            group = _group(scope, saved.likeness.group)
            record = record_of(key, saved.likeness, saved.saved_at)
            oldest_us = micros(saved.saved_at - timedelta(seconds=seconds))
            told: list[bytes | int] = [record, self._questions, oldest_us, milliseconds]
            await self._add_question([group], told, client=steps)
        if saved.subject:
            own = _own(scope.tenant, saved.subject)
            steps.sadd(own, _place(scope, key, saved.likeness))
            steps.pexpire(own, _LONGEST_MS)
        await self._server.asked(steps.execute)

    async def near(
        self, scope: Scope, question: Likeness, within: float, since: datetime
    ) -> Saved | None:
        group = _group(scope, question.group)
        records = await self._server.asked(self._questions_of, [group])
        for key in nearest(records, question, within, since):
            saved = await self.get(scope, key)
            if saved is not None:
                return saved
        return None

    async def forget(self, tenant: str, subject: str = "") -> int:
        if subject:
            return await self._forget_subject(tenant, subject)
        answers = f"{_prefix(tenant)}answer:".encode()
        forgotten = 0
        async for names in self._names(f"{_prefix(tenant)}*"):
            await self._server.asked(self._client.unlink, *names)
            forgotten += sum(name.startswith(answers) for name in names)
        return forgotten

    async def _names(self, pattern: str) -> AsyncIterator[Sequence[bytes]]:
        """What is named like this, some at a time; a name may come twice, and then counts twice."""
        cursor: int | None = None
        while cursor != 0:
            cursor, names = await self._server.asked(
                self._client.scan, cursor or 0, pattern, _AT_ONCE
            )
            if names:
                yield names

    async def _forget_subject(self, tenant: str, subject: str) -> int:
        own = _own(tenant, subject)
        places = await self._server.asked(self._client.smembers, own)
        forgotten = 0
        for place in places:
            rules, key, group = place.decode().split(":")
            scope = Scope(tenant, rules)
            forgotten += int(await self._server.asked(self._client.unlink, _answer(scope, key)))
            if group:
                await self._forget_question(_group(scope, group), key)
        if places:
            await self._server.asked(self._client.srem, own, *places)
        return forgotten

    async def _forget_question(self, group: str, key: str) -> None:
        records = await self._server.asked(self._client.lrange, group, 0, -1)
        for record in _of_key(records, key):
            await self._server.asked(self._client.lrem, group, 0, record)


def _of_key(records: Sequence[bytes], key: str) -> Iterator[bytes]:
    return (record for record in records if key_of(record) == key)


def _prefix(tenant: str) -> str:
    # In a cluster of servers what one tenant has lies on one: what stands in braces decides which.
    return f"{{leeway.cache.{tenant}}}:"


def _answer(scope: Scope, key: str) -> str:
    return f"{_prefix(scope.tenant)}answer:{scope.rules}:{key}"


def _group(scope: Scope, group: str) -> str:
    return f"{_prefix(scope.tenant)}questions:{scope.rules}:{group}"


def _own(tenant: str, subject: str) -> str:
    return f"{_prefix(tenant)}subject:{subject}"


def _place(scope: Scope, key: str, question: Likeness | None) -> str:
    return f"{scope.rules}:{key}:{'' if question is None else question.group}"
