"""Accepted means stored: `edge`, `core` and `warehouse` are killed again and again while calls come in."""

from pathlib import Path

from benchmarks.replay.calls import synthetic
from benchmarks.replay.kills import EMBEDDED
from benchmarks.replay_trace import replay_and_kill, report
from tests.stack import a_stack

CALLS, SECONDS, KILLS, SEED = 600, 20.0, 2, 11


async def test_no_accepted_call_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    calls = synthetic(CALLS, SECONDS, SEED)
    async with a_stack(tmp_path) as stack:
        outcome = await replay_and_kill(
            stack, calls, kills=dict.fromkeys(EMBEDDED, KILLS), seed=SEED
        )

    found = report(outcome)

    assert found["kills"] == dict.fromkeys(EMBEDDED, KILLS)
    assert found["accepted"] == found["stored"] == found["calls"]
    assert (found["lost"], found["doubled"], found["wrong"], found["refused"]) == (0, 0, 0, {})
    assert found["accounting"] is True
    assert found["cost_usd"] == found["expected_cost_usd"]
    assert found["ok"] is True
