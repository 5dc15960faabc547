"""Feedback: what each kind must say, and how it is taken."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leeway_pb.v1.feedback_pb2 import FeedbackReceived

from services.feedback.app import build
from services.feedback.domain import read_feedback
from services.feedback.settings import Settings
from services.feedback.stream import feedback_fact
from shared.batches import digest_of
from shared.clock import micros
from shared.fields import Fields
from shared.live import LiveView
from tests.builders import FEEDBACK_ID, INTERACTION_ID, NOW, a_caller
from tests.doors import a_client, a_host, a_live_view
from tests.fakes import FakeOutbox

ABOUT = {"interaction_id": INTERACTION_ID}
THUMB = {"kind": "thumbs", "label": "up", **ABOUT}
SCORE = {"kind": "score", "name": "helpful", "value": 4, "range": [1, 5], **ABOUT}
COMMENT = {"kind": "comment", "text": "Wrong town.", **ABOUT}
CORRECTION = {"kind": "correction", "text": "It is Lyon.", **ABOUT}
RANKING = {"kind": "ranking", "ranking": ["b", "a", "c"]}
PREFERENCE = {
    "kind": "preference",
    "chosen": "a",
    "rejected": "b",
    "chosen_position": 1,
    "rejected_position": 0,
}
IMPLICIT = {"kind": "implicit", "label": "copied", "session_id": "s1"}
OUTCOME = {
    "kind": "outcome",
    "name": "charged_back",
    "label": "yes",
    "about_at": "2026-03-01T00:00:00Z",
    "observed_at": "2026-07-01T00:00:00Z",
    **ABOUT,
}
EVERY_KIND: list[dict[str, Any]] = [
    THUMB,
    SCORE,
    COMMENT,
    CORRECTION,
    RANKING,
    PREFERENCE,
    IMPLICIT,
    OUTCOME,
]


def read(item: dict[str, Any], policy: str = "full") -> tuple[FeedbackReceived, list[str]]:
    fields = Fields(item)
    feedback = read_feedback(fields, fresh_id=FEEDBACK_ID, now=NOW)
    if fields.faults:
        return FeedbackReceived(), fields.faults
    return FeedbackReceived.FromString(feedback_fact(feedback, a_caller(), policy).value), []


@pytest.mark.parametrize("item", EVERY_KIND, ids=lambda item: item["kind"])
def test_each_kind_is_taken_with_what_it_must_say(item: dict[str, Any]) -> None:
    message, faults = read(item)

    assert faults == []
    assert message.kind == item["kind"]


def test_every_field_reaches_the_fact() -> None:
    message, faults = read(
        {
            **SCORE,
            **PREFERENCE,
            **OUTCOME,
            "kind": "score",
            "id": FEEDBACK_ID.upper(),
            "session_id": "s1",
            "text": "Good.",
            "ranking": ["b", "a"],
            "rater": {"id": "r1", "kind": "expert"},
            "source": "review",
            "supersedes": INTERACTION_ID,
            "tags": {"team": "maths"},
            "environment": "staging",
        }
    )

    assert faults == []
    assert message == FeedbackReceived(
        feedback_id=FEEDBACK_ID,
        tenant="acme",
        project="default",
        environment="staging",
        interaction_id=INTERACTION_ID,
        session_id="s1",
        kind="score",
        name="charged_back",
        value=4.0,
        range_min=1.0,
        range_max=5.0,
        label="yes",
        text="Good.",
        ranking=["b", "a"],
        chosen="a",
        rejected="b",
        chosen_position=1,
        rejected_position=0,
        rater_id="r1",
        rater_kind="expert",
        about_at_us=micros(datetime(2026, 3, 1, tzinfo=UTC)),
        observed_at_us=micros(datetime(2026, 7, 1, tzinfo=UTC)),
        source="review",
        supersedes=INTERACTION_ID,
        tags={"team": "maths"},
        key_id="k0000001",
    )


@pytest.mark.parametrize("value", [0, 0.25, 1])
def test_a_score_from_0_to_1_needs_no_range(value: float) -> None:
    message, faults = read(SCORE | {"value": value, "range": None})

    assert faults == []
    assert (message.value, message.range_min, message.range_max) == (value, 0.0, 1.0)
    assert message.HasField("range_min")


def test_only_a_score_has_a_range_that_goes_without_saying() -> None:
    message, faults = read(OUTCOME | {"value": 0.5})

    assert faults == []
    assert not message.HasField("range_min")


def test_feedback_is_observed_now_when_it_says_nothing_else() -> None:
    message, _ = read(THUMB)

    assert message.observed_at_us == micros(NOW)
    assert not message.HasField("about_at_us")
    assert not message.HasField("value")


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({}, "kind: is required"),
        ({"kind": "applause", **ABOUT}, "kind: expected one of thumbs, score, comment,"),
        ({"kind": "thumbs", "label": "up"}, "interaction_id: is required, or session_id"),
        (THUMB | {"interaction_id": "7"}, "interaction_id: expected a UUID of 36 characters"),
        (THUMB | {"label": "sideways"}, "label: expected one of up, down"),
        (THUMB | {"rater": {"kind": "cat"}}, "rater.kind: expected one of user, expert, program"),
        (THUMB | {"id": FEEDBACK_ID, "supersedes": FEEDBACK_ID}, "supersedes: is the feedback"),
        (THUMB | {"observed_at": "2026-07-01T00:00:00"}, "observed_at: expected an RFC 3339 time"),
        (SCORE | {"name": None}, "name: is required"),
        (SCORE | {"value": None}, "value: is required"),
        (SCORE | {"value": 6}, "value: expected a number from 1 to 5, got 6"),
        (SCORE | {"value": True}, "value: expected a number, got a boolean"),
        (SCORE | {"range": [5, 1]}, "range: expected [lowest, highest] with lowest < highest"),
        (SCORE | {"range": [1]}, "range: expected [lowest, highest] with lowest < highest"),
        (SCORE | {"range": []}, "range: expected [lowest, highest] with lowest < highest"),
        (SCORE | {"range": None}, "range: is required for a value outside of 0 to 1, got 4"),
        (COMMENT | {"text": " "}, "text: is required"),
        (COMMENT | {"text": None}, "text: is required"),
        (CORRECTION | {"text": "x" * 65_537}, "text: is longer than 65536 characters"),
        (RANKING | {"ranking": ["a"]}, "ranking: expected at least two ids, best first"),
        (RANKING | {"ranking": ["a", "b", "a"]}, "ranking: names an id twice"),
        (PREFERENCE | {"rejected": "a"}, "rejected: is the same as chosen"),
        (PREFERENCE | {"rejected": None}, "rejected: is required"),
        (
            PREFERENCE | {"rejected_position": 1},
            "rejected_position: is the same as chosen_position",
        ),
        (PREFERENCE | {"rejected_position": None}, "chosen_position: and rejected_position are"),
        (PREFERENCE | {"chosen_position": -1}, "chosen_position: expected a whole number from 0"),
        (IMPLICIT | {"label": "liked"}, "label: expected one of regenerated, copied, abandoned"),
        (OUTCOME | {"label": None}, "label: is required"),
        (
            OUTCOME | {"about_at": None, "observed_at": None},
            "about_at: is required, or observed_at",
        ),
        (OUTCOME | {"about_at": "2026-08-01T00:00:00Z"}, "about_at: lies after observed_at"),
    ],
)
def test_what_a_kind_lacks_is_told(item: dict[str, Any], fault: str) -> None:
    _, faults = read(item)

    assert any(line.startswith(fault) for line in faults), faults


def test_all_faults_are_told_at_once() -> None:
    _, faults = read({"kind": "preference", "tags": [], "chosen": "a", "rejected": "a"})

    assert faults == [
        "tags: expected an object of at most 64 strings",
        "rejected: is the same as chosen",
    ]


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("redacted", "mail [EMAIL]"),
        ("none", ""),
        ("hash", "sha256:c2b2f3385d7369edc3447babe78f231f85fd3aa10b0222721ec03e9edc6c9e9b"),
    ],
)
def test_the_tenants_policy_holds_for_comments(policy: str, text: str) -> None:
    message, _ = read(COMMENT | {"text": "mail ann@example.org"}, policy)

    assert message.text == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from([item["kind"] for item in EVERY_KIND])},
        optional={name: JSON for item in EVERY_KIND for name in item if name != "kind"},
    )
)
def test_any_item_is_either_faulty_or_makes_a_fact(item: dict[str, Any]) -> None:
    message, faults = read(item, "redacted")

    assert faults or message.feedback_id == FEEDBACK_ID


# The door.


async def post(
    body: object, outbox: FakeOutbox, live: LiveView | None = None
) -> tuple[int, dict[str, Any]]:
    async with a_client(build(Settings(), a_host(outbox, live))) as client:
        response = await client.post("/v1/feedback", content=json.dumps(body).encode())
    return response.status_code, response.json()


async def test_one_bare_item_is_a_batch_of_one() -> None:
    outbox = FakeOutbox()

    status, body = await post(THUMB | {"id": FEEDBACK_ID}, outbox)

    assert (status, body) == (
        200,
        {
            "accepted": 1,
            "rejected": 0,
            "results": [{"id": FEEDBACK_ID, "status": "accepted"}],
        },
    )
    assert [fact.event_id for fact in outbox.facts] == [FEEDBACK_ID]


async def test_an_environment_that_is_not_registered_is_refused_with_those_that_are() -> None:
    outbox = FakeOutbox()

    status, body = await post({**THUMB, "environment": "prod"}, outbox)

    assert (status, outbox.facts) == (400, [])
    assert body["results"][0]["faults"] == [
        "environment: expected one of production, qa, staging, got 'prod'"
    ]


async def test_a_batch_is_judged_item_by_item() -> None:
    outbox = FakeOutbox()

    status, body = await post({"feedback": [THUMB, {"kind": "thumbs"}, SCORE]}, outbox)

    assert (status, body["accepted"], body["rejected"]) == (200, 2, 1)
    assert body["results"][1] == {
        "index": 1,
        "status": "rejected",
        "faults": ["interaction_id: is required, or session_id", "label: expected one of up, down"],
    }


async def test_an_item_whose_id_has_other_content_is_answered_409() -> None:
    outbox = FakeOutbox()
    await post(THUMB | {"id": FEEDBACK_ID}, outbox)

    repeated, _ = await post(THUMB | {"id": FEEDBACK_ID}, outbox)
    status, body = await post(THUMB | {"id": FEEDBACK_ID, "label": "down"}, outbox)

    assert (repeated, status) == (200, 409)
    assert body == {
        "accepted": 0,
        "rejected": 1,
        "results": [
            {
                "id": FEEDBACK_ID,
                "status": "conflict",
                "faults": [
                    "id: was accepted before with other content, which stays; send this under another id"
                ],
            }
        ],
    }
    assert [FeedbackReceived.FromString(fact.value).label for fact in outbox.facts] == ["up"]


@given(
    st.sampled_from(EVERY_KIND),
    st.dictionaries(st.sampled_from(["value", "text", "tags", "rater", "about_at"]), JSON),
)
def test_what_is_read_without_a_fault_has_a_digest_whatever_else_is_there(
    item: dict[str, Any], more: dict[str, Any]
) -> None:
    def digest(one: dict[str, Any]) -> bytes | None:
        fields = Fields(one)
        read_feedback(fields, fresh_id=FEEDBACK_ID, now=NOW)
        return None if fields.faults else digest_of(fields.said)

    told = item | more
    assert digest(told) == digest({"colour": math.nan, **dict(reversed(told.items()))})


@pytest.mark.parametrize(
    ("body", "full", "scopes", "expected"),
    [
        ({}, False, ["feedback"], 400),
        ([], False, ["feedback"], 400),
        ({"feedback": [THUMB] * 1_001}, False, ["feedback"], 413),
        (THUMB, True, ["feedback"], 503),
        (THUMB, False, ["ingest"], 403),
    ],
)
async def test_what_cannot_be_taken_has_its_status(
    body: object, full: bool, scopes: list[str], expected: int
) -> None:
    outbox = FakeOutbox(full=full)

    status, _ = await post(body, outbox, a_live_view(scopes=scopes))

    assert status == expected
    assert outbox.facts == []
