"""Feedback has the server's shape, and its id is known at once."""

from __future__ import annotations

from datetime import datetime, timezone

from sdk_stub import Stub

import leeway

MAY = datetime(2026, 5, 1, tzinfo=timezone.utc)


def told(client: leeway.Client, stub: Stub) -> list[dict[str, object]]:
    assert client.flush()
    items = stub.items("feedback")
    for item in items:
        assert item.pop("observed_at")
    return items


def test_thumbs(client: leeway.Client, stub: Stub) -> None:
    up = client.thumbs("i-1", up=True, rater="u-7")
    down = client.thumbs("i-1", up=False, text="wrong year")

    assert told(client, stub) == [
        {
            "interaction_id": "i-1",
            "kind": "thumbs",
            "label": "up",
            "rater": {"id": "u-7", "kind": "user"},
            "id": up,
        },
        {
            "interaction_id": "i-1",
            "kind": "thumbs",
            "label": "down",
            "text": "wrong year",
            "id": down,
        },
    ]


def test_score(client: leeway.Client, stub: Stub) -> None:
    made = client.score("i-1", "helpful", 4, range=(1, 5), rater={"id": "e", "kind": "expert"})

    assert told(client, stub) == [
        {
            "interaction_id": "i-1",
            "kind": "score",
            "name": "helpful",
            "value": 4,
            "range": [1, 5],
            "rater": {"id": "e", "kind": "expert"},
            "id": made,
        }
    ]


def test_prefer(client: leeway.Client, stub: Stub) -> None:
    made = client.prefer("good", "bad", positions=(1, 0))

    assert told(client, stub) == [
        {
            "kind": "preference",
            "chosen": "good",
            "rejected": "bad",
            "chosen_position": 1,
            "rejected_position": 0,
            "id": made,
        }
    ]


def test_outcome_tells_when_it_was_true(client: leeway.Client, stub: Stub) -> None:
    made = client.outcome("i-1", "readmitted", "yes", about_at=MAY, source="registry")

    assert told(client, stub) == [
        {
            "interaction_id": "i-1",
            "kind": "outcome",
            "name": "readmitted",
            "label": "yes",
            "about_at": "2026-05-01T00:00:00+00:00",
            "source": "registry",
            "id": made,
        }
    ]


def test_a_comment_within_a_session_belongs_to_it(client: leeway.Client, stub: Stub) -> None:
    with client.session("s-1"):
        made = client.feedback(kind="comment", text="nice")

    assert told(client, stub) == [
        {"kind": "comment", "text": "nice", "session_id": "s-1", "id": made}
    ]


def test_a_decision_is_an_interaction(client: leeway.Client, stub: Stub) -> None:
    made = client.decision(
        "fraud-7", "block", score=0.97, features={"amount": 12.5}, ended_at=MAY, user_id="u-7"
    )

    assert client.flush()
    assert stub.items() == [
        {
            "id": made,
            "model": "fraud-7",
            "kind": "predict",
            "decision": "block",
            "decision_score": 0.97,
            "features": {"amount": 12.5},
            "started_at": "2026-05-01T00:00:00+00:00",
            "ended_at": "2026-05-01T00:00:00+00:00",
            "user_id": "u-7",
        }
    ]


def test_a_prompt_may_be_told_by_name_and_version(client: leeway.Client, stub: Stub) -> None:
    client.record(model="m", prompt="greeting@3")

    assert client.flush()
    assert stub.items()[0]["prompt"] == {"name": "greeting", "version": "3"}
