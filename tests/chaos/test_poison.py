"""What no consumer can handle: one among many, all of them, and while its dead letter cannot be written."""

import asyncio
import resource
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.ids import new_id
from shared.log.consumer import ConsumerLimits
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.topics import INTERACTION_COMPLETED
from tests.builders import an_interaction_completed
from tests.chaos.house import House, a_house
from tests.chaos.ledger import Verdict, copies, stored
from tests.chaos.limits import limited
from tests.chaos.report import Trial

MB = 1024 * 1024
NEIGHBOURS, FLOOD = 40, 1_300
POISON = "poison"  # the outbox that it is in
GROUPS = ("warehouse", "billing", "drift", "evaluation", "alerting")
NO_TIME = f"started_at_us is no time: {2**62}."
BEHIND = ("warehouse", "core")  # the processes of the groups
LONGEST_RUN = ConsumerLimits().max_consecutive_dead_letters

# A field of its own wire type each: what a parser of protobuf meets first in bytes that are none.
GROUP_END, TRUNCATED, HUGE_LENGTH = b"\x0c", b"\x0a\x7f1", b"\x0a\xff\xff\xff\xff\x0f"
NOT_UTF8 = b"\x0a\x02\xff\xfe"


def poisons(trial: Trial) -> dict[str, bytes]:
    """Values that are no interaction."""
    return {
        "not protobuf": b"{'id': 1}" + trial.random.randbytes(64),
        "group that never began": GROUP_END,
        "torn off": TRUNCATED,
        "length beyond the end": HUGE_LENGTH + b"x",
        "text that is no UTF-8": NOT_UTF8,
        "random bytes": b"\xff" + trial.random.randbytes(300),
        "4 MB of nothing": b"\xff" * (4 * MB),
    }


def odd_ones() -> list[Fact]:
    """Interactions that are whole, and hold what a careless reader stumbles over: they are stored."""
    digits = "9" * 5_000
    return [
        _fact(an_interaction_completed(interaction_id=new_id(), **fields).SerializeToString())
        for fields in (
            {"usage_json": f'{{"prompt_tokens": {digits}}}', "usage_dialect": "openai"},
            {"usage_json": '{"prompt_tokens": NaN}', "usage_dialect": "openai"},
            {"usage_json": '"\\ud800"', "usage_dialect": "openai"},
            {"usage_json": "[" * 5_000, "usage_dialect": "openai"},
            {"decision": "x", "decision_score": float("nan")},
            {"embedding": [float("inf"), float("nan"), 0.0]},
            {"output_text": "\x00\u2028" * 500},
            {"started_at_us": 2**62, "ended_at_us": -1},
            {"input_text": ""},
        )
    ]


@pytest.mark.fault(16)
@pytest.mark.chaos
async def test_poison_is_buried_whole_by_every_group_and_its_neighbours_are_stored(
    trial: Trial, tmp_path: Path
) -> None:
    sound = [_sound() for _ in range(NEIGHBOURS)] + odd_ones()
    bad = {new_id(): value for value in poisons(trial).values()}
    for kind in poisons(trial):
        trial.inject(kind)
    mixed = sound + [_fact(value, name) for name, value in bad.items()]
    trial.random.shuffle(mixed)
    trial.ledger.accept(_ids(sound))
    async with a_house(tmp_path, trial) as house:
        await _append(house, mixed)
        await _settled(house)
        await stored(house.client, len(sound))
        letters = [one for one in await house.letters() if one.topic is INTERACTION_COMPLETED]
        trial.judge(await copies(house.client))

    untimely = [one for one in letters if one.record.event_id not in bad]
    assert [(one.group, one.reason) for one in untimely] == [("billing", NO_TIME)]
    whole = [one for one in letters if one not in untimely]
    assert all(one.record.value == bad[one.record.event_id] and one.reason for one in whole)
    buried = Counter((one.group, one.record.event_id) for one in whole)
    assert buried == dict.fromkeys([(group, name) for group in GROUPS for name in bad], 1)


@pytest.mark.fault(17)
@pytest.mark.chaos
async def test_a_flood_of_nothing_but_poison_stops_each_group_and_drops_nothing(
    trial: Trial, tmp_path: Path
) -> None:
    trial.inject("poisoned fact", FLOOD)
    async with a_house(tmp_path, trial, LEEWAY_WAREHOUSE_BATCH_RECORDS="500") as house:
        await _append(house, [_fact(b"\xff%d" % n) for n in range(FLOOD)])
        await house.comes_async(lambda: _halted(house, len(GROUPS)))
        letters = Counter(one.group for one in await house.letters())
        waiting = {group: house.waiting(group, POISON) for group in GROUPS}
        await asyncio.gather(*map(house.end, BEHIND))
        await house.comes_async(lambda: _all_buried(house))
        again = Counter(one.group for one in await house.letters())
        call = await house.post("/v1/chat/completions", {"model": "demo", "messages": [_HELLO]})

    assert call.status == 200
    assert all(LONGEST_RUN <= letters[group] < FLOOD for group in GROUPS), letters
    assert all(letters[group] + waiting[group] >= FLOOD for group in GROUPS), waiting
    assert again == dict.fromkeys(GROUPS, FLOOD)
    trial.settle(Verdict(FLOOD, again["warehouse"], lost=0, duplicated=0))


@pytest.mark.fault(18)
@pytest.mark.chaos
async def test_no_group_passes_poison_while_its_letter_cannot_be_written(
    trial: Trial, tmp_path: Path
) -> None:
    async with a_house(tmp_path, trial) as house:
        await _append(house, [_sound()])
        await _settled(house)
        before = {group: house.passed(group) for group in GROUPS}
        tried = await _sum(house, "leeway_consumer_retries_total")
        trial.inject("dead letters cannot be written")
        with ExitStack() as limits:
            for name in BEHIND:
                limits.enter_context(limited(house.pid(name), resource.RLIMIT_FSIZE, 0))
            bad = _fact(b"\xff")
            await _append(house, [bad])
            await house.comes_async(lambda: _tried(house, tried + len(GROUPS)))
            assert await house.letters() == []
            passed = {group: house.passed(group) for group in GROUPS}
        with trial.recovery():
            await _settled(house)
        letters = [one for one in await house.letters() if one.record.event_id == bad.event_id]

    assert passed == before
    assert Counter(one.group for one in letters) == dict.fromkeys(GROUPS, 1)
    trial.settle(Verdict(1, 1, lost=0, duplicated=0))


_HELLO = {"role": "user", "content": "Hello."}


def _sound() -> Fact:
    message = an_interaction_completed(interaction_id=new_id())
    return _fact(message.SerializeToString(), message.interaction_id)


def _fact(value: bytes, event_id: str = "") -> Fact:
    return Fact(INTERACTION_COMPLETED, "default", event_id or new_id(), value)


def _ids(facts: list[Fact]) -> list[str]:
    kind = type(an_interaction_completed())
    return [kind.FromString(fact.value).interaction_id for fact in facts]


async def _append(house: House, facts: list[Fact]) -> None:
    """As one more process of the installation would: with an outbox of its own."""
    async with SqliteOutbox(house.log_folder / f"{POISON}.db", SystemClock()) as outbox:
        await outbox.append(facts)


async def _settled(house: House) -> None:
    """Every group has passed what was put there."""
    await house.comes(lambda: not any(house.waiting(group, POISON) for group in GROUPS))


async def _halted(house: House, groups: int) -> bool:
    return await _sum(house, "leeway_consumer_halted") == groups


async def _tried(house: House, times: float) -> bool:
    return await _sum(house, "leeway_consumer_retries_total") >= times


async def _sum(house: House, metric: str) -> float:
    return sum([await house.metric(name, metric) for name in BEHIND])


async def _all_buried(house: House) -> bool:
    return len(await house.letters()) == len(GROUPS) * FLOOD
