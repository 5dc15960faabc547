"""Callers who send again: the same content is stored once, other content under the same id is a conflict."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from shared.ids import new_id
from tests.chaos.house import House, a_house, an_item
from tests.chaos.ledger import copies, stored
from tests.chaos.report import Trial

REPEATS, IDS, KILLS = 100, 20, 3


@pytest.mark.fault(19)
@pytest.mark.chaos
async def test_what_is_sent_a_hundred_times_through_kills_is_stored_once(
    trial: Trial, tmp_path: Path
) -> None:
    interactions = [an_item(new_id(), f"text {n}") for n in range(IDS)]
    feedback = [_thumb(str(item["id"])) for item in interactions]
    async with a_house(tmp_path, trial) as house:
        sending = [
            asyncio.create_task(_repeat(house, path, name, items))
            for path, name, items in (
                ("/v1/interactions", "interactions", interactions),
                ("/v1/feedback", "feedback", feedback),
            )
        ]
        for _ in range(KILLS):
            await house.end("edge-0")
        answers = [answer for task in sending for answer in await task]
        trial.inject("repeat", len(answers))
        trial.ledger.accept(str(item["id"]) for item in (*interactions, *feedback))
        await stored(house.client, IDS)
        await stored(house.client, IDS, table="feedback", column="feedback_id")
        found = await copies(house.client) + await copies(house.client, "feedback", "feedback_id")

    assert Counter(answers) == {200: 2 * REPEATS}
    trial.judge(found)


@pytest.mark.fault(20)
@pytest.mark.chaos
async def test_of_a_hundred_contents_under_one_id_one_is_stored_and_the_others_conflict(
    trial: Trial, tmp_path: Path
) -> None:
    interaction, thumb = new_id(), new_id()
    trial.inject("other content", 2 * (REPEATS - 1))
    async with a_house(tmp_path, trial) as house:
        bodies = [("interaction", an_item(interaction, f"text {n}")) for n in range(REPEATS)]
        bodies += [
            ("feedback", {**_thumb(new_id(), thumb), "text": f"{n}"}) for n in range(REPEATS)
        ]
        sent = await asyncio.gather(*(_send(house, kind, body) for kind, body in bodies))
        await house.end("edge-0")
        later = [
            await _send(house, "interaction", an_item(interaction, "later")),
            await _send(house, "feedback", {**_thumb(new_id(), thumb), "text": "later"}),
        ]
        await stored(house.client, 1)
        await stored(house.client, 1, table="feedback", column="feedback_id")
        trial.ledger.accept((interaction, thumb))
        rows = await house.client.query("SELECT input_text FROM leeway.interactions")
        found = await copies(house.client) + await copies(house.client, "feedback", "feedback_id")

    taken = [body for (_, body), status in zip(bodies, sent, strict=True) if status == 200]
    assert Counter(sent) == {200: 2, 409: 2 * REPEATS - 2}
    assert later == [409, 409]
    assert [row["input_text"] for row in rows] == [taken[0]["input"]]
    trial.judge(found)


def _thumb(interaction_id: str, feedback_id: str = "") -> dict[str, object]:
    return {
        "id": feedback_id or new_id(),
        "interaction_id": interaction_id,
        "kind": "thumbs",
        "label": "up",
        "observed_at": "2026-11-24T08:00:00Z",
    }


async def _send(house: House, kind: str, body: dict[str, object]) -> int:
    path, name = {
        "interaction": ("/v1/interactions", "interactions"),
        "feedback": ("/v1/feedback", "feedback"),
    }[kind]
    return (await house.insist(path, {name: [body]})).status


async def _repeat(house: House, path: str, name: str, items: list[dict[str, object]]) -> list[int]:
    """The same batch again and again, until it was answered so many times."""
    return [(await house.insist(path, {name: items})).status for _ in range(REPEATS)]
