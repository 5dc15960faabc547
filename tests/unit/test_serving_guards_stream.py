"""Guards on streams: nothing is let go too early however a text is cut, and what needs no change passes as it is."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import aclosing

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.account import Event
from services.serving.domain.failure import UpstreamFailed, unreachable
from services.serving.domain.request import Kind
from services.serving.domain.sse import comment, data_event
from services.serving.domain.verdict import Blocked
from services.serving.guards.redaction import edited
from services.serving.guards.stream import StreamFilter, filtered
from services.serving.providers.port import Stream
from shared.pii import redact
from tests.guards import (
    a_chat,
    a_guardrail,
    a_request,
    chat_events,
    datas,
    message_events,
    rails,
    response_events,
    said_in,
)
from tests.unit.test_shared_pii import FOUND, LEFT_ALONE

Make = Callable[..., list[Event]]
PROTOCOLS = [
    (Kind.CHAT, chat_events),
    (Kind.MESSAGE, message_events),
    (Kind.RESPONSE, response_events),
]
EVERYTHING = rails(a_guardrail("pii"), a_guardrail("secrets"))
CANARY = "canary.4f9a@example.org"

_TEXTS = st.lists(
    st.sampled_from(
        [*(text for text, _ in FOUND), *LEFT_ALONE, "and", "\n", "\u4f60\u597d", "4\u200b1"]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)


@st.composite
def cut_texts(draw: st.DrawFn) -> list[str]:
    """A text, cut into pieces at any places."""
    text = draw(_TEXTS)
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=12)))
    bounds = [0, *places, len(text)]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]


def through(events: Sequence[Event], filter_: StreamFilter) -> list[Event]:
    """Everything that a filter lets go, fed one event at a time."""
    passed = [event for one in events for event in filter_.feed([one])]
    return [*passed, *filter_.end()]


@pytest.mark.parametrize(("kind", "make"), PROTOCOLS)
@given(pieces=cut_texts())
def test_a_stream_is_redacted_as_the_whole_text_is(
    kind: Kind, make: Make, pieces: list[str]
) -> None:
    passed = through(make(pieces), StreamFilter(a_request(kind), EVERYTHING))

    assert said_in(passed, kind) == redact("".join(pieces))


@pytest.mark.parametrize(("kind", "make"), PROTOCOLS)
@pytest.mark.parametrize("place", range(1, len(CANARY)))
def test_an_address_that_is_split_anywhere_is_never_sent(
    kind: Kind, make: Make, place: int
) -> None:
    pieces = ["Mail ", CANARY[:place], CANARY[place:], " now."]

    passed = through(make(pieces), StreamFilter(a_request(kind), EVERYTHING))

    assert said_in(passed, kind) == "Mail [EMAIL] now."
    assert b"canary" not in b"".join(event.raw for event in passed)
    assert not any("canary" in str(event.tree) for event in passed)


@pytest.mark.parametrize(("kind", "make"), PROTOCOLS)
def test_a_stream_without_a_find_passes_byte_for_byte(kind: Kind, make: Make) -> None:
    events = make(["The ", "comm", "ittee of ", "2024 met", " at 10:30, and", " agreed."])

    passed = through(events, StreamFilter(a_request(kind), EVERYTHING))

    assert passed == events


def test_of_prose_no_more_than_its_last_word_waits() -> None:
    filter_ = StreamFilter(a_request(), EVERYTHING)
    events = chat_events(["The ", "comm", "ittee ", "met"])

    sent = [len(filter_.feed([event])) for event in events]

    assert sent == [1, 1, 0, 2, 0, 2, 1]


@pytest.mark.parametrize(("kind", "make"), PROTOCOLS)
def test_what_blocks_is_not_sent_and_nothing_behind_it(kind: Kind, make: Make) -> None:
    filter_ = StreamFilter(a_request(kind), rails(a_guardrail("pii", "block")))

    passed = through(
        make(["Her mail ", "is can", "ary.4f9a@exam", "ple.org, and", " more"]), filter_
    )

    assert said_in(passed, kind) == "Her mail "
    assert filter_.blocked is not None
    assert filter_.blocked.code == "guardrail_blocked"
    assert [v.category for v in filter_.blocked.verdicts] == ["email"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('{"to": "ann\\u0040example.org", "n": 1}', {"to": "[EMAIL]", "n": 1}),
        ('{"card": 4111111111111111, "x": 2}', {"card": "[CARD]", "x": 2}),
        ('{"mrn": "A1234567"}', {"mrn": "[MRN]"}),
        ('{"a": "call\\n555-123-4567\\n"}', {"a": "call\n[PHONE]\n"}),
        ('{"a": "{\\"b\\": \\"ann\\\\u0040example.org\\"}"}', {"a": '{"b": "[EMAIL]"}'}),
        ('{"a": "\\\\", "b": "123-45-6789"}', {"a": "\\", "b": "[SSN]"}),
    ],
)
@pytest.mark.parametrize(("kind", "make"), PROTOCOLS)
def test_arguments_of_tools_stay_json_wherever_they_are_cut(
    kind: Kind, make: Make, written: str, told: object
) -> None:
    for place in range(1, len(written)):
        pieces = [written[:place], written[place:]]

        passed = through(make(pieces, tool=True), StreamFilter(a_request(kind), EVERYTHING))

        assert orjson.loads(said_in(passed, kind)) == told


def test_an_answer_in_json_stays_json() -> None:
    pieces = ['{"ssn": "123-45-', '6789", "card": 41111111', "11111111}"]

    passed = through(chat_events(pieces), StreamFilter(a_request(), EVERYTHING))

    assert orjson.loads(said_in(passed, Kind.CHAT)) == {"ssn": "[SSN]", "card": "[CARD]"}


def test_whole_texts_that_are_told_again_are_redacted_too() -> None:
    passed = through(
        response_events(["Mail ann@exam", "ple.org"]),
        StreamFilter(a_request(Kind.RESPONSE), EVERYTHING),
    )

    assert b"example" not in b"".join(event.raw for event in passed)
    assert datas(passed)[-1]["response"]["output"][0]["content"] == [{"text": "Mail [EMAIL]"}]


def test_a_text_that_is_only_told_whole_is_found_and_counted() -> None:
    filter_ = StreamFilter(a_request(Kind.RESPONSE), EVERYTHING)
    done = response_events(["Mail ann@example.org"])[1:]

    passed = through(done, filter_)

    assert b"example" not in b"".join(event.raw for event in passed)
    assert [(v.category, v.explanation) for v in filter_.verdicts] == [("email", "1 in text")]


@pytest.mark.parametrize("only", [slice(1, None), slice(2, None)])
def test_a_text_that_is_only_told_whole_is_blocked(only: slice) -> None:
    filter_ = StreamFilter(a_request(Kind.RESPONSE), rails(a_guardrail("pii", "block")))

    passed = through(response_events(["Mail ann@example.org"])[only], filter_)

    assert passed == []
    assert filter_.blocked is not None


def test_the_tokens_of_a_changed_text_are_taken_out() -> None:
    events = chat_events(["ann@example.org "])
    events[1].tree["choices"][0]["logprobs"] = {"content": [{"token": "ann@example.org"}]}  # type: ignore[index]

    passed = through(events, StreamFilter(a_request(), EVERYTHING))

    assert b"example" not in b"".join(event.raw for event in passed)


def test_a_text_under_a_name_that_is_not_known_is_searched_too() -> None:
    events = chat_events(["hello "])
    events[1].tree["choices"][0]["delta"]["novelty"] = [{"text": "Mail ann@example.org"}]  # type: ignore[index]

    passed = through(events, StreamFilter(a_request(), EVERYTHING))

    assert passed[1].tree == datas(passed)[1]
    assert datas(passed)[1]["choices"][0]["delta"] == {
        "content": "hello ",
        "novelty": [{"text": "Mail [EMAIL]"}],
    }


def test_what_a_message_cites_is_searched_too() -> None:
    delta = {"type": "citations_delta", "citation": {"cited_text": "Mail ann@example.org"}}
    data = orjson.dumps({"type": "content_block_delta", "index": 0, "delta": delta})

    passed = through([Event(data_event(data))], StreamFilter(a_request(Kind.MESSAGE), EVERYTHING))

    assert datas(passed)[0]["delta"]["citation"] == {"cited_text": "Mail [EMAIL]"}


def test_half_a_character_passes_a_guard() -> None:
    events = [
        Event(
            b'data: {"choices":[{"delta":{"content":"\\ud83d ann@example.org "}}]}\n\n',
            {"choices": [{"delta": {"content": "\ud83d ann@example.org "}}]},
        )
    ]

    passed = through(events, StreamFilter(a_request(), EVERYTHING))

    assert passed[0].raw == b'data: {"choices":[{"delta":{"content":"\\ud83d [EMAIL] "}}]}\n\n'


def test_a_transcript_is_guarded_as_other_texts_are() -> None:
    data = [{"type": "transcript.text.delta", "delta": piece} for piece in ("ann@exam", "ple.org ")]
    events = [Event(data_event(orjson.dumps(each))) for each in data]

    passed = through(events, StreamFilter(a_request(Kind.AUDIO), EVERYTHING))

    assert said_in(passed, Kind.AUDIO) == "[EMAIL] "


def test_texts_of_several_choices_are_kept_apart() -> None:
    events = chat_events(["ann@exam", "555-12"])
    events[2].tree["choices"][0]["index"] = 1  # type: ignore[index]

    passed = through(events, StreamFilter(a_request(), EVERYTHING))

    assert passed == events


def test_a_text_that_waits_for_too_long_makes_way() -> None:
    calls = ['"' + "word " * 400 + '", '] * 10
    events = [chat_events(["It is ann@exam"])[1], *chat_events(calls, tool=True)[1:11]]
    filter_ = StreamFilter(a_request(), EVERYTHING)

    passed = [event for event in events for event in filter_.feed([event])]

    assert passed[0] == events[0]


def test_comments_and_events_without_text_keep_their_place() -> None:
    events = chat_events(["wor", "d "])
    events.insert(2, Event(comment("keep-alive")))

    assert through(events, StreamFilter(a_request(), EVERYTHING)) == events


def test_a_guard_that_flags_holds_nothing_back_and_tells() -> None:
    filter_ = StreamFilter(a_request(), rails(a_guardrail("pii", "flag")))
    events = chat_events(["Mail ann@exam", "ple.org"])

    sent = [len(filter_.feed([event])) for event in events]

    assert sent == [1] * len(events)
    assert [(v.action, v.category, v.explanation) for v in filter_.verdicts] == [
        ("flag", "email", "1 in [0].content")
    ]


def test_an_answer_that_is_not_of_its_schema_has_no_clean_end() -> None:
    filter_ = StreamFilter(
        a_chat("hi"),
        rails(a_guardrail("json_schema", "block", options={"schema": {"type": "object"}})),
    )

    passed = through(chat_events(["[1,", " 2]"]), filter_)

    assert said_in(passed, Kind.CHAT) == "[1, 2]"
    assert not any(event.final or b'"stop"' in event.raw for event in passed)
    assert filter_.blocked is not None


def test_a_word_of_the_deny_list_is_found_across_pieces_and_holds_only_its_beginning() -> None:
    filter_ = StreamFilter(
        a_request(), rails(a_guardrail("deny_list", options={"words": ["blue  whale"]}))
    )
    events = chat_events(["a blu", "e ", "\nwha", "le, a blue", " car"])

    passed = through(events, filter_)

    assert said_in(passed, Kind.CHAT) == "a [DENIED], a blue car"


async def _source(events: Sequence[Event], fault: Exception | None, closed: list[bool]) -> Stream:
    try:
        for event in events:
            yield [event]
        if fault is not None:
            raise fault
    finally:
        closed.append(True)


async def _collect(stream: Stream) -> tuple[list[Event], Exception | None]:
    passed: list[Event] = []
    try:
        async with aclosing(stream):
            async for events in stream:
                assert events
                passed += events
    except (Blocked, UpstreamFailed) as fault:
        return passed, fault
    return passed, None


def test_a_block_closes_the_upstream_and_is_raised_behind_what_was_sent() -> None:
    closed: list[bool] = []
    filter_ = StreamFilter(a_request(), rails(a_guardrail("secrets", "block")))
    source = _source(chat_events(["Key: ", "AKIAABCDEFGH", "IJKLMNOP ", "never"]), None, closed)

    passed, fault = asyncio.run(_collect(filtered(source, filter_)))

    assert said_in(passed, Kind.CHAT) == "Key: "
    assert isinstance(fault, Blocked)
    assert closed == [True]


def test_what_was_held_is_let_go_when_the_upstream_is_cut() -> None:
    events = chat_events(["The ann@example.org la", "st wor"])[:3]
    filter_ = StreamFilter(a_request(), EVERYTHING)
    source = _source(events, unreachable("up", "went away"), [])

    passed, fault = asyncio.run(_collect(filtered(source, filter_)))

    assert said_in(passed, Kind.CHAT) == "The [EMAIL] last wor"
    assert isinstance(fault, UpstreamFailed)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=4), st.integers(1, 12))
def test_edits_of_a_text_are_those_of_its_pieces(found: list[tuple[int, int]], size: int) -> None:
    from services.serving.guards.redaction import Edit, without_overlap  # noqa: PLC0415

    text = "0123456789abcdefghijklmnopqrstuvwxyzABCDE"
    edits = without_overlap(Edit(start, start + width, "[X]") for start, width in found)
    pieces = [(place, text[place : place + size]) for place in range(0, len(text), size)]

    assert "".join(edited(piece, edits, offset=place) for place, piece in pieces) == edited(
        text, edits
    )
