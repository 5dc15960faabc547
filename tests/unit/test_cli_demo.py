"""The demo's script, its receiver and its verdict: pure, and the same each time."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import pytest

from services.alerting.channels.webhook import signature
from services.cli.demo.caller import body
from services.cli.demo.receiver import Receiver, is_signed
from services.cli.demo.report import (
    Alert,
    Detection,
    Noticed,
    Planted,
    Recorded,
    Report,
    Sent,
)
from services.cli.demo.texts import REFUSALS
from services.cli.demo.traffic import Call, Plant, script
from shared.clock import SimulatedClock

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECRET = b"s" * 32


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_call(**changes: object) -> Call:
    call = Call(
        session="visit-0001",
        user="customer-001",
        history=(),
        question="Where is my order?",
        answer="In Cork.",
        input_tokens=600,
        output_tokens=120,
        streaming=False,
        failure=0,
        thumb="",
        comment="",
    )
    return replace(call, **changes)  # type: ignore[arg-type]


def a_detection(feature: str, seconds: float) -> Detection:
    return Detection(feature, "d", "up", 12.0, 9.0, 300, f"{feature} rose.", at(seconds))


def a_report(**changes: object) -> Report:
    """All is well: three plants, ten seconds apart, each noticed after a second."""
    report = Report(
        sent=Sent(calls=10, accepted=10, failed=1, thumbs=4),
        recorded=Recorded(calls=10, priced=10, failed=1, thumbs=4, embedded=10),
        planted=tuple(Planted(plant, at(10 * n)) for n, plant in enumerate(Plant)),
        detections=(a_detection("embedding", 1), a_detection("refusal_rate", 11)),
        alerts=(Alert("spend", "0.6 USD spent", "hook", True, at(21)),),
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def test_the_same_seed_writes_the_same_script() -> None:
    assert script(1) == script(1)
    assert script(1) != script(2)


def test_the_script_learns_before_it_plants() -> None:
    scenes = script(1)

    assert [(scene.plant, len(scene.calls)) for scene in scenes] == [
        (None, 720),
        (Plant.TOPIC, 120),
        (Plant.ANSWERS, 120),
        (Plant.COST, 120),
    ]
    thumbs = [call.thumb for call in scenes[0].calls if call.thumb]
    assert len(thumbs) > 400  # the detector of thumbs learns from 300


def test_normal_traffic_is_varied() -> None:
    calls = script(1)[0].calls

    assert {call.failure for call in calls} == {0, 500, 502, 504}
    assert {call.thumb for call in calls} == {"", "up", "down"}
    assert {len(call.history) for call in calls} >= {0, 1, 2, 3}
    assert any(call.streaming for call in calls)
    assert any(call.answer is None for call in calls)
    assert any(call.comment for call in calls)
    assert len({call.session for call in calls}) > 200
    assert not any(call.answer in REFUSALS for call in calls)


def test_each_plant_changes_what_it_says_and_only_that() -> None:
    scenes = [scene.calls for scene in script(1)]

    burning = [sum("batter" in call.question for call in calls) for calls in scenes]
    refused = [sum(call.answer in REFUSALS for call in calls) for calls in scenes]
    disliked = [sum(call.thumb == "down" for call in calls) for calls in scenes]
    fewest = [min(call.input_tokens for call in calls) for calls in scenes]
    most = [max(call.input_tokens for call in calls) for calls in scenes]

    assert burning == [0, 31, 0, 0]
    assert refused == [0, 0, 54, 0]
    assert disliked == [40, 4, 31, 5]
    assert fewest[3] > 10 * max(most[:3])


def test_a_call_tells_the_demo_model_its_lines() -> None:
    request = json.loads(body(a_call(streaming=True, failure=503)))

    assert request["stream"] is True
    assert request["messages"][-1] == {"role": "user", "content": "Where is my order?"}
    assert request["metadata"] == {
        "leeway_demo_answer": "In Cork.",
        "leeway_demo_input_tokens": "600",
        "leeway_demo_output_tokens": "120",
        "leeway_demo_status": "503",
    }


def test_a_call_without_a_line_forces_the_tool() -> None:
    request = json.loads(body(a_call(answer=None)))

    assert request["tool_choice"]["function"]["name"] == "lookup_order"
    assert "leeway_demo_answer" not in request["metadata"]


def test_an_empty_answer_is_a_line_too() -> None:
    assert json.loads(body(a_call(answer="")))["metadata"]["leeway_demo_answer"] == ""


def test_a_signature_holds_for_its_id_time_and_content_alone() -> None:
    good = {
        "webhook-id": "m1",
        "webhook-timestamp": STAMP,
        "webhook-signature": f"v1,bm8= {signature(SECRET, 'm1', int(STAMP), b'{}')}",
    }

    assert is_signed(SECRET, good, b"{}", NOW)
    assert not is_signed(SECRET, good, b"[]", NOW)
    assert not is_signed(SECRET, {**good, "webhook-id": "m2"}, b"{}", NOW)
    assert not is_signed(b"t" * 32, good, b"{}", NOW)
    assert not is_signed(SECRET, good, b"{}", at(301))
    assert not is_signed(SECRET, {}, b"{}", NOW)


async def _deliver(receiver: Receiver, message_id: str, secret: bytes, kind: str) -> int:
    told = {"type": kind, "data": {"rule": "drift", "title": f"Drift {message_id}"}}
    content = json.dumps(told).encode()
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": STAMP,
        "webhook-signature": signature(secret, message_id, int(STAMP), content),
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(receiver.url, data=content, headers=headers) as answer,
    ):
        return answer.status


async def test_the_receiver_keeps_each_fired_alert_once_and_says_whether_it_was_signed() -> None:
    async with Receiver(SECRET, SimulatedClock(NOW)) as receiver:
        statuses = [
            await _deliver(receiver, "m1", SECRET, "alert.fired"),
            await _deliver(receiver, "m1", SECRET, "alert.fired"),
            await _deliver(receiver, "m2", b"t" * 32, "alert.fired"),
            await _deliver(receiver, "m3", SECRET, "alert.resolved"),
        ]

        assert statuses == [204, 204, 401, 204]
        assert [(alert.title, alert.verified) for alert in receiver.alerts] == [
            ("Drift m1", True),
            ("Drift m2", False),
        ]


def test_each_plant_is_noticed_by_what_it_changes() -> None:
    report = a_report()

    assert [report.noticed(one) for one in report.planted] == [
        Noticed("embedding rose.", 1.0),
        Noticed("refusal_rate rose.", 1.0),
        Noticed("0.6 USD spent", 1.0),
    ]
    assert (report.missing, report.false_alarms) == ("", [])


def test_what_was_seen_before_its_plant_is_no_notice_of_it() -> None:
    early = a_detection("embedding", -1)

    report = a_report(detections=(early,), alerts=())

    assert [report.noticed(one) for one in report.planted] == [None, None, None]
    assert report.false_alarms == [early]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"sent": Sent(calls=10, accepted=9, refused=1, refusal="503 full")},
            "1 requests were not taken, the last one with: 503 full",
        ),
        ({"recorded": Recorded(calls=9)}, "10 calls were accepted, but SQL shows 9."),
        ({"detections": (), "alerts": ()}, "None of what was planted was noticed."),
        ({"alerts": ()}, "No alert was told of what was planted."),
        (
            {"alerts": (Alert("drift", "Drift", "hook", True, at(-1)),)},
            "No alert was told of what was planted.",
        ),
        (
            {"alerts": (Alert("drift", "Drift", "hook", False, at(2)),)},
            "No alert arrived with a valid signature.",
        ),
    ],
)
def test_the_first_thing_that_is_missing_is_told(changes: dict[str, object], sentence: str) -> None:
    assert a_report(**changes).missing == sentence


def test_the_report_as_json_has_its_verdict_and_exact_money() -> None:
    recorded = replace(a_report().recorded, cost_usd=Decimal("0.000150000000000001"))

    told = json.loads(a_report(recorded=recorded).as_json())

    assert (told["ok"], told["missing"], told["false_alarms"]) == (True, "", 0)
    assert told["recorded"]["cost_usd"] == "0.000150000000000001"
    assert told["noticed"]["worse answers"] == {"what": "refusal_rate rose.", "seconds": 1.0}
    assert told["alerts"][0]["verified"] is True
