"""An outbox on a bad disk: a tail that a loss of power tore off, bits that changed, pages that are none any more."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.log.file import GroupState, OutboxFile
from shared.log.folder import FolderLog
from shared.log.outbox import SqliteOutbox
from shared.log.reader import UNREADABLE, OutboxReader
from shared.log.record import Effect, Fact, OpenCall, Position, Record
from shared.log.sealed import Damaged
from shared.topics import INTERACTION_COMPLETED, USAGE_RATED, Topic
from tests.chaos.ledger import Verdict
from tests.chaos.report import Trial
from tests.embedded import EmbeddedHarness, an_outbox
from tests.logs import Collecting

PAGE_BYTES, FRAME_BYTES = 4096, 4096 + 24
TORN_FRAMES, FACTS = 3, 60
FLIPS, PLAYED = 2_000, 40
STEERING = ("positions", "states", "intents", "open_calls", "lanes")
STEPPING = ("warehouse", "billing", "drift", "evaluation", "alerting")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = (INTERACTION_COMPLETED, USAGE_RATED)


def facts(trial: Trial, count: int = FACTS) -> list[Fact]:
    """Facts of two lanes; one in ten does not fit on a page."""
    return [
        Fact(topic, f"tenant-{n % 3}", f"{trial.seed}-{n}", trial.random.randbytes(size))
        for n in range(count)
        for topic, size in [(TOPICS[n % 2], 9_000 if n % 10 == 9 else 300 + n)]
    ]


def read(reader: OutboxReader) -> list[Record]:
    """Everything that is there, in portions as a group reads it."""
    found: list[Record] = []
    start, end = -1, 0
    while end > start:
        start = end
        records, end = reader.read([topic.name for topic in TOPICS], start, 25)
        found += records
    return found


@pytest.mark.fault(14)
@pytest.mark.chaos
async def test_of_a_torn_tail_what_was_committed_before_the_tear_is_read(
    trial: Trial, tmp_path: Path
) -> None:
    sent = facts(trial, 12)
    async with an_outbox(tmp_path / "whole", "edge-0") as outbox:
        for fact in sent:
            await outbox.append([fact])
        database = (tmp_path / "whole" / "edge-0.db").read_bytes()
        log = (tmp_path / "whole" / "edge-0.db-wal").read_bytes()
    shortest = 0
    for cut in range(TORN_FRAMES * FRAME_BYTES):
        trial.inject("torn tail")
        reader = OutboxReader(_torn(tmp_path / "torn", database, log[: len(log) - cut]))
        found = read(reader)
        reader.close()
        assert _facts(found) == sent[: len(found)], f"torn {cut} bytes before the end"
        shortest = len(sent) - len(found)

    assert shortest == 1
    trial.settle(Verdict(len(sent), len(sent), lost=0, duplicated=0))


@pytest.mark.fault(14)
async def test_after_a_torn_tail_new_facts_reach_the_groups_that_had_read_what_is_gone(
    trial: Trial, tmp_path: Path
) -> None:
    before, gone, after = facts(trial, 30)[:10], facts(trial, 20)[10:], facts(trial, 30)[20:]
    log, group = EmbeddedHarness(tmp_path), Collecting(done=len(before) + len(gone))
    async with an_outbox(tmp_path, "edge-0") as edge:
        await edge.append(before)
        kept = _files(tmp_path)
        await edge.append(gone)
        async with log.outbox("core"):
            await log.run(group, group.stop, topics=TOPICS)

    trial.inject("tail lost with power")
    for path, content in kept.items():
        path.write_bytes(content)
    (tmp_path / "edge-0.db-shm").unlink()
    later = Collecting(done=len(after))
    async with an_outbox(tmp_path, "edge-0") as edge, log.outbox("core"):
        await edge.append(after)
        with trial.recovery():
            await log.run(later, later.stop, topics=TOPICS)

    assert _facts(later.records) == after
    trial.settle(Verdict(len(after), len(later.records), lost=0, duplicated=0))


@pytest.mark.fault(15)
@pytest.mark.chaos
async def test_no_bit_that_flips_in_an_outbox_is_believed(trial: Trial, tmp_path: Path) -> None:
    sent = facts(trial)
    whole = await _closed(tmp_path / "whole", sent)
    epoch = OutboxReader(tmp_path / "whole" / "edge-0.db").epoch
    told: Counter[str] = Counter()
    for bit in trial.random.sample(range(8 * len(whole)), FLIPS):
        trial.inject("bit flipped")
        seen = _seen(_flipped(tmp_path / "flipped", whole, bit))
        assert {record.epoch for record in seen.sound} <= {epoch}, f"another life: bit {bit}"
        told[_told(seen, sent, bit)] += 1

    assert set(told) <= {"nothing changed", "dead letter", "unreadable", "gap", "books"}, told
    assert told["dead letter"] > FLIPS / 4, told
    trial.settle(Verdict(len(sent), len(sent), lost=0, duplicated=0))


@pytest.mark.fault(15)
async def test_a_flipped_record_is_buried_by_each_group_and_its_neighbours_pass(
    trial: Trial, tmp_path: Path
) -> None:
    sent = facts(trial)
    whole = await _closed(tmp_path / "whole", sent)
    for turn in range(PLAYED):
        trial.inject("bit flipped")
        fact = sent[trial.random.randrange(len(sent) - 2)]
        at = whole.index(fact.value[:64]) + trial.random.randrange(64)
        folder = tmp_path / str(turn)
        _flipped(folder, whole, 8 * at + trial.random.randrange(8))
        log, group = EmbeddedHarness(folder), Collecting(done=len(sent) - 1)
        async with log.outbox("core"):
            await log.run(group, group.stop, topics=TOPICS)
        letters = FolderLog(folder).readers()[0].read([fact.topic.dead_letters], 0, 10)[0]

        assert _facts(group.records) == [one for one in sent if one is not fact]
        assert [(one.key, one.event_id) for one in letters] == [(fact.key, fact.event_id)]
        assert letters[0].headers["reason"].startswith("the value is damaged")
        assert letters[0].value != fact.value
    trial.settle(Verdict(len(sent), len(sent), lost=0, duplicated=0))


@pytest.mark.fault(15)
@pytest.mark.chaos
async def test_no_bit_that_flips_in_what_groups_stored_is_gone_on_from(
    trial: Trial, tmp_path: Path
) -> None:
    whole = await _stepped(tmp_path / "whole", trial)
    path = tmp_path / "whole" / "edge-0.db"
    stored = _steps(path)
    told: Counter[str] = Counter()
    bits = [bit for page in _pages(path, STEERING) for bit in page]
    for bit in trial.random.sample(bits, FLIPS):
        trial.inject("bit flipped")
        told[_held(stored, _flipped(tmp_path / "flipped", whole, bit), bit)] += 1

    assert set(told) <= {"nothing changed", "damaged", "unreadable"}, told
    assert told["damaged"] > FLIPS / 4, told
    trial.settle(Verdict(2 * len(STEPPING), 2 * len(STEPPING), lost=0, duplicated=0))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a reader made of a file: the sound records, the damaged ones, and whether it was stopped."""

    sound: Sequence[Record]
    damaged: int
    stopped: bool
    counted: int


@dataclass(frozen=True, slots=True)
class _Steps:
    """What a life of the outbox takes over from the one before: per group its step, and the open calls."""

    groups: Sequence[GroupState | None]
    calls: Sequence[OpenCall]
    damages: Sequence[str]


def _held(stored: _Steps, path: Path, bit: int) -> str:
    """How a flip is told of; a step that is believed although nobody stored it fails the test."""
    try:
        found = _steps(path)
    except UNREADABLE:
        return "unreadable"
    for was, now in zip(stored.groups, found.groups, strict=True):
        assert now in (was, None), f"a group goes on from where it never was: bit {bit}"
    sound = [call for call in found.calls if not call.damage]
    assert all(call in stored.calls for call in sound), f"a call that nobody opened: bit {bit}"
    if found.damages:
        return "damaged"
    assert found == stored, f"something is gone, and nothing tells: bit {bit}"
    return "nothing changed"


def _steps(path: Path) -> _Steps:
    file = OutboxFile(path)
    file.open()
    try:
        groups = [_step(file, group) for group in STEPPING]
        return _Steps(groups, file.orphans(), file.damages())
    finally:
        file.close()


def _step(file: OutboxFile, group: str) -> GroupState | None:
    try:
        return file.group(group)
    except Damaged:
        return None


async def _stepped(folder: Path, trial: Trial) -> bytes:
    """An outbox in which groups have stored positions, states and an intent, and calls are open."""
    async with an_outbox(folder, "edge-0") as outbox:
        for n, group in enumerate(STEPPING):
            seqs = {f"edge-0/e/usage.rated.v1/{lane}": lane + n for lane in range(12)}
            states = {f"state-{k}": trial.random.randbytes(120) for k in range(5)}
            await outbox.commit(group, {"edge-0/e": Position(40 + n, seqs)}, Effect(states=states))
            await outbox.open(OpenCall(f"call-{n}", EPOCH, trial.random.randbytes(600)))
            await outbox.append([Fact(USAGE_RATED, f"tenant-{n}", f"{n}", b"value")])
        await outbox.intend(STEPPING[0], {f"edge-{n}/e": (n, 9 * n) for n in range(80)})
    return (folder / "edge-0.db").read_bytes()


def _pages(path: Path, tables: Sequence[str]) -> list[range]:
    """The bits of the pages that some tables begin at; they have no other."""
    with closing(sqlite3.connect(path)) as db:
        marks = ", ".join("?" * len(tables))
        roots = db.execute(f"SELECT rootpage FROM sqlite_schema WHERE name IN ({marks})", tables)
        return [range(8 * PAGE_BYTES * (n - 1), 8 * PAGE_BYTES * n) for (n,) in roots]


def _told(seen: _Seen, sent: Sequence[Fact], bit: int) -> str:
    """How a flip is told of; a record that is believed although it is not what was sent fails the test."""
    originals = {_said(one): n for n, one in enumerate(sent)}
    places = [originals.get(_said(fact)) for fact in _facts(seen.sound)]
    assert None not in places, f"a record is believed that nobody sent: bit {bit}"
    assert len(set(places)) == len(places), f"a record came twice: bit {bit}"
    if seen.stopped:
        return "unreadable"
    if seen.damaged:
        return "dead letter"
    if len(places) == len(sent):
        return "nothing changed"
    if _gap(seen.sound):
        return "gap"
    assert seen.counted != len(places), f"a record is gone, and nothing tells: bit {bit}"
    return "books"


def _seen(path: Path) -> _Seen:
    found, stopped = list[Record](), False
    start, end = -1, 0
    reader = None
    try:
        reader = OutboxReader(path)
        while end > start:
            start = end
            records, end = reader.read([topic.name for topic in TOPICS], start, 25)
            found += records
        counted = sum(n for *_, n in reader.counts("accepted"))
    except UNREADABLE:
        stopped, counted = True, 0
    finally:
        if reader is not None:
            reader.close()
    sound = [record for record in found if not record.damage]
    return _Seen(sound, len(found) - len(sound), stopped, counted)


def _gap(records: Sequence[Record]) -> bool:
    last: Counter[str] = Counter()
    for record in records:
        if record.seq != last[record.lane] + 1:
            return True
        last[record.lane] = record.seq
    return False


def _facts(records: Sequence[Record]) -> list[Fact]:
    topics: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
    return [Fact(topics[one.topic], one.key, one.event_id, one.value) for one in records]


def _said(fact: Fact) -> tuple[str, str, str, bytes]:
    return fact.topic.name, fact.key, fact.event_id, fact.value


async def _closed(folder: Path, sent: Sequence[Fact]) -> bytes:
    """An outbox that was closed: everything is in the database file."""
    async with SqliteOutbox(folder / "edge-0.db", SystemClock()) as outbox:
        for fact in sent:
            await outbox.append([fact])
    return (folder / "edge-0.db").read_bytes()


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.glob("edge-0.db*")}


def _flipped(folder: Path, whole: bytes, bit: int) -> Path:
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    return _torn(folder, bytes(changed), b"")


def _torn(folder: Path, database: bytes, log: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "edge-0.db"
    path.with_name("edge-0.db-shm").unlink(missing_ok=True)
    path.with_name("edge-0.db-wal").write_bytes(log)
    path.write_bytes(database)
    return path
