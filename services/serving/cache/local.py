"""Kept answers in the memory of one worker, bounded by bytes; they end with its process."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.serving.cache.fifo import S3Fifo
from services.serving.cache.nearest import Likeness, nearest, record_of
from services.serving.cache.port import Saved, Scope
from shared.clock import Clock
from shared.metrics import CACHE_BYTES, CACHE_ENTRIES, CACHE_EVICTIONS

_At = tuple[Scope, str]  # whose, and under which key


@dataclass(frozen=True, slots=True)
class _Kept:
    saved: Saved
    ends_at: datetime


class LocalCache:
    """One worker's memory; satisfies `Cache`, and never raises.

    Where it is full, what is asked again stays (`fifo.py`). Of a group the newest `questions` are compared.
    """

    def __init__(self, clock: Clock, *, capacity_bytes: int, questions: int) -> None:
        self._clock = clock
        self._questions = questions
        self._kept: S3Fifo[_At, _Kept] = S3Fifo(capacity_bytes, self._evicted)
        self._groups: dict[_At, OrderedDict[str, bytes]] = {}  # records by key, the newest last

    async def get(self, scope: Scope, key: str) -> Saved | None:
        return self._get(scope, key)

    async def put(self, scope: Scope, key: str, saved: Saved, seconds: float) -> None:
        self._remove(scope, key)
        question = saved.likeness
        record = b"" if question is None else record_of(key, question, saved.saved_at)
        kept = _Kept(saved, saved.saved_at + timedelta(seconds=seconds))
        if self._kept.put((scope, key), kept, saved.size + len(record)) and question is not None:
            records = self._groups.setdefault((scope, question.group), OrderedDict())
            records[key] = record
            if len(records) > self._questions:
                records.popitem(last=False)
        self._measure()

    async def near(
        self, scope: Scope, question: Likeness, within: float, since: datetime
    ) -> Saved | None:
        records = self._groups.get((scope, question.group), OrderedDict[str, bytes]())
        for key in nearest(b"".join(records.values()), question, within, since):
            saved = self._get(scope, key)
            if saved is not None:
                return saved
        return None

    async def forget(self, tenant: str, subject: str = "") -> int:
        meant = [
            (scope, key)
            for (scope, key), kept in self._kept.items()
            if scope.tenant == tenant and (not subject or kept.saved.subject == subject)
        ]
        for scope, key in meant:
            self._remove(scope, key)
        self._measure()
        return len(meant)

    def _get(self, scope: Scope, key: str) -> Saved | None:
        kept = self._kept.get((scope, key))
        if kept is None:
            return None
        if kept.ends_at <= self._clock.now():
            self._remove(scope, key)
            return None
        return kept.saved

    def _remove(self, scope: Scope, key: str) -> None:
        kept = self._kept.remove((scope, key))
        if kept is not None:
            self._forget_question(scope, key, kept.saved.likeness)

    def _evicted(self, at: _At, kept: _Kept) -> None:
        CACHE_EVICTIONS.inc()
        self._forget_question(*at, kept.saved.likeness)

    def _forget_question(self, scope: Scope, key: str, question: Likeness | None) -> None:
        if question is None:
            return
        records = self._groups.get((scope, question.group), OrderedDict[str, bytes]())
        records.pop(key, None)
        if not records:
            self._groups.pop((scope, question.group), None)

    def _measure(self) -> None:
        CACHE_BYTES.set(self._kept.bytes)
        CACHE_ENTRIES.set(len(self._kept))
