"""Items reach the server in batches, and each verdict is counted."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import replace

import pytest
from sdk_stub import (
    QUICK,
    Answer,
    MakeClient,
    Request,
    Stub,
    accepts,
    verdicts,
)

import leeway


def test_record_answers_the_id_that_the_server_gets(client: leeway.Client, stub: Stub) -> None:
    interaction = client.record(model="m", input="Hi", output="Hello")

    assert client.flush()
    assert uuid.UUID(interaction).version == 7
    assert stub.items() == [
        {
            "kind": "chat",
            "model": "m",
            "input": "Hi",
            "output": "Hello",
            "id": interaction,
            "started_at": stub.items()[0]["ended_at"],
            "ended_at": stub.items()[0]["ended_at"],
        }
    ]


def test_requests_carry_the_key(client: leeway.Client, stub: Stub) -> None:
    client.record(model="m")

    assert client.flush()
    assert stub.requests[0].headers["authorization"] == "Bearer lk_test"


def test_items_leave_without_a_flush(client: leeway.Client, stub: Stub) -> None:
    client.record(model="m")

    stub.wait_for_requests(1)
    assert [item["model"] for item in stub.items()] == ["m"]


def test_a_batch_holds_no_more_than_its_bound_of_items(make_client: MakeClient, stub: Stub) -> None:
    client = make_client(limits=replace(QUICK, batch_items=10, batch_seconds=60))

    for number in range(25):
        client.record(model=str(number))

    assert client.flush()
    assert [len(request.json["interactions"]) for request in stub.requests] == [10, 10, 5]
    assert [item["model"] for item in stub.items()] == [str(number) for number in range(25)]


def test_a_batch_holds_no_more_than_its_bound_of_bytes(make_client: MakeClient, stub: Stub) -> None:
    client = make_client(limits=replace(QUICK, batch_bytes=3_000, batch_seconds=60))

    for _ in range(4):
        client.record(model="m", input="x" * 1_200)

    assert client.flush()
    assert [len(request.json["interactions"]) for request in stub.requests] == [2, 2]


def test_refused_items_are_counted_logged_once_and_not_sent_again(
    client: leeway.Client, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.answer = lambda _: verdicts(
        [
            {"id": "a", "status": "accepted"},
            {"index": 1, "status": "rejected", "faults": ["model: is too odd"]},
        ]
    )

    with caplog.at_level(logging.WARNING, "leeway"):
        client.record(model="good")
        client.record(model="odd")
        assert client.flush()

    assert len(stub.requests) == 1
    assert (client.stats().sent, client.stats().rejected) == (1, 1)
    assert [record.message for record in caplog.records] == [
        'The server refused 1 of 2 interactions, first: ["model: is too odd"]'
    ]


def test_a_batch_that_is_refused_whole_with_verdicts_is_not_sent_again(
    client: leeway.Client, stub: Stub
) -> None:
    stub.answer = lambda _: verdicts([{"index": 0, "status": "rejected", "faults": ["no"]}])

    client.record(model="m")

    assert client.flush()
    assert len(stub.requests) == 1
    assert client.stats().rejected == 1


def test_an_item_whose_id_has_other_content_is_counted_as_rejected_and_not_sent_again(
    client: leeway.Client, stub: Stub
) -> None:
    conflict: dict[str, object] = {"id": "a", "status": "conflict", "faults": ["id: is taken"]}
    accepted: dict[str, object] = {"id": "b", "status": "accepted"}

    stub.answer = lambda _: verdicts([conflict, accepted])
    client.record(model="a")
    client.record(model="b")
    assert client.flush()
    stub.answer = lambda _: verdicts([conflict])
    client.record(model="a")
    assert client.flush()

    assert len(stub.requests) == 2
    assert (client.stats().sent, client.stats().rejected, client.stats().spooled) == (1, 2, 0)


@pytest.mark.parametrize("status", [400, 413])
def test_a_body_that_is_refused_is_split_until_only_the_poison_is_lost(
    client: leeway.Client, stub: Stub, status: int
) -> None:
    def refuse_poison(request: Request) -> Answer:
        return Answer(status, b"") if b"poison" in request.body else accepts(request)

    stub.answer = refuse_poison
    for name in ("a", "b", "poison", "c", "d"):
        client.record(model=name)

    assert client.flush()
    assert (client.stats().sent, client.stats().rejected) == (4, 1)


def test_an_item_that_is_too_large_is_rejected_at_once(make_client: MakeClient, stub: Stub) -> None:
    client = make_client(limits=replace(QUICK, item_bytes=1_000))

    client.record(model="m", input="x" * 2_000)

    assert client.flush()
    assert stub.requests == []
    assert (client.stats().accepted, client.stats().rejected) == (1, 1)


def test_every_kind_of_item_has_its_endpoint(client: leeway.Client, stub: Stub) -> None:
    interaction = client.record(model="m")
    client.thumbs(interaction, up=True)
    with client.span("work"):
        pass

    assert client.flush()
    assert {request.path for request in stub.requests} == {
        "/v1/interactions",
        "/v1/feedback",
        "/v1/spans",
    }


def test_calls_return_while_the_server_has_not_answered(
    make_client: MakeClient, stub: Stub
) -> None:
    client = make_client(limits=replace(QUICK, memory_items=50))
    release = stub.hold()

    client.record(model="first")
    stub.wait_for_requests(1)
    for number in range(200):
        client.record(model=str(number))
    answered_before = release.is_set()
    release.set()

    assert not answered_before
    assert client.stats().accepted == 201
    assert client.flush()
    stats = client.stats()
    assert stats.sent + stats.dropped == 201


def test_memory_is_bounded_and_what_finds_no_room_is_counted(
    make_client: MakeClient, stub: Stub
) -> None:
    client = make_client(spool_dir="off", limits=replace(QUICK, memory_items=10, batch_items=4))
    release = stub.hold()
    client.record(model="first")
    stub.wait_for_requests(1)

    for number in range(20):
        client.record(model=str(number))
    held = client.stats()
    release.set()

    assert (held.pending, held.dropped) == (10, 11)
    assert client.flush()
    assert client.stats().sent == 10


def test_memory_is_bounded_in_bytes(make_client: MakeClient, stub: Stub) -> None:
    client = make_client(spool_dir="off", limits=replace(QUICK, memory_bytes=10_000))
    stub.answer = lambda _: Answer(503)

    for _ in range(20):
        client.record(model="m", input="x" * 900)

    assert client.stats().pending <= 11
    assert client.stats().dropped >= 9


def test_values_that_json_lacks_are_told_and_not_raised(client: leeway.Client, stub: Stub) -> None:
    class Secret:
        def __repr__(self) -> str:
            raise AssertionError("nobody asked for it")

    features = {"score": float("inf"), 7: {"a set"}, "thing": Secret(), "big": 2**70, "raw": b"12"}
    client.decision("m", "yes", features=features)  # type: ignore[arg-type]

    assert client.flush()
    assert stub.items()[0]["features"] == {
        "score": None,
        "7": ["a set"],
        "thing": f"<{__name__}.{Secret.__qualname__}>",
        "big": str(2**70),
        "raw": "<2 bytes>",
    }


def test_a_lone_surrogate_does_not_cost_the_item(client: leeway.Client, stub: Stub) -> None:
    client.record(model="m", input="broken \ud800 text")

    assert client.flush()
    assert stub.items()[0]["input"] == "broken ? text"


def test_what_is_recorded_is_what_it_was_then(client: leeway.Client, stub: Stub) -> None:
    messages = [{"role": "user", "content": "before"}]

    client.record(model="m", input=messages)
    messages[0]["content"] = "after"

    assert client.flush()
    assert stub.items()[0]["input"] == [{"role": "user", "content": "before"}]


async def test_aflush_does_not_block_the_loop(client: leeway.Client, stub: Stub) -> None:
    client.record(model="m")

    assert await client.aflush()
    assert client.stats().sent == 1


def test_after_the_shutdown_items_are_counted_as_dropped(client: leeway.Client) -> None:
    client.record(model="m")
    assert client.shutdown()

    client.record(model="late")

    assert client.flush()
    assert (client.stats().sent, client.stats().dropped) == (1, 1)


def test_configure_begins_anew(client: leeway.Client, stub: Stub) -> None:
    client.record(model="before")
    client.configure(api_key="lk_other", base_url=stub.url, spool_dir="off", limits=QUICK)
    client.record(model="after")

    assert client.flush()
    keys = {request.json["interactions"][0]["model"]: request.headers for request in stub.requests}
    assert keys["before"]["authorization"] == "Bearer lk_test"
    assert keys["after"]["authorization"] == "Bearer lk_other"


def test_bodies_are_what_the_server_reads(client: leeway.Client, stub: Stub) -> None:
    client.record(model="ü")

    assert client.flush()
    assert list(json.loads(stub.requests[0].body.decode("utf-8"))) == ["interactions"]


def test_a_success_that_is_somebody_elses_costs_nothing(client: leeway.Client, stub: Stub) -> None:
    stub.answer = lambda _: Answer(200, b"<html>Please log in.</html>")
    client.record(model="m")
    stub.wait_for_requests(1)

    stub.answer = accepts

    assert client.flush()
    assert (client.stats().sent, client.stats().rejected) == (1, 0)


def test_a_value_that_holds_itself_is_told_as_far_as_it_goes(
    client: leeway.Client, stub: Stub
) -> None:
    knot: list[object] = [1]
    knot += [knot, knot]

    client.record(model="m", options={"knot": knot})

    assert client.flush()
    assert stub.items()[0]["options"]["knot"][0] == 1


def test_a_flush_of_nothing_does_not_wait_for_the_next_look_at_the_disk(
    make_client: MakeClient,
) -> None:
    client = make_client(limits=replace(QUICK, rescan_seconds=600))
    client.record(model="m")
    assert client.flush()

    assert client.flush(timeout=5)
