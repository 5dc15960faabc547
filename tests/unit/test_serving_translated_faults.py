"""Nothing that a client or an upstream can write breaks a translation: it is refused, or told."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.failure import UpstreamFailed
from services.serving.domain.request import Kind
from services.serving.protocols.translations import TRANSLATIONS
from shared.errors import Invalid
from tests.translations import Json, asked, chunks_of, events_of, replied, sent, streamed, trees

GOLDEN = Path(__file__).parents[1] / "corpora" / "protocols"
CASES = [
    (
        Kind(case.parent.name),
        *(json.loads((case / name).read_text()) for name in ("request.json", "chat_answer.json")),
    )
    for case in sorted(GOLDEN.glob("*/*"))
]

Place = tuple[str | int, ...]

odd_texts = st.sampled_from(["", "text", "function", "message", "\ud83d", "stop", "data:x", "a\nb"])
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats(allow_nan=False) | odd_texts,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "name"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


def places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Where every value of a tree stands."""
    yield place
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for name, value in items:
        yield from places(value, (*place, name))


def with_value(tree: Any, place: Place, value: Any) -> Any:
    """A tree with another value in a place."""
    if not place:
        return value
    name, *rest = place
    changed: Any = {**tree} if isinstance(tree, dict) else [*tree]
    changed[name] = with_value(changed[name], tuple(rest), value)
    return changed


def oddly(tree: Json, data: st.DataObject) -> Any:
    """A tree in which one value, or two, are anything."""
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(list(places(tree))[1:] or [()]))
        if place:
            tree = with_value(tree, place, data.draw(odd_values))
    return tree


def written(tree: Any) -> bool:
    """Whether a client can write it: lone surrogates and large numbers are refused before a translation."""
    try:
        orjson.loads(orjson.dumps(tree))
    except TypeError:
        return False
    return True


@pytest.mark.parametrize(("kind", "request_", "answer"), CASES)
@given(data=st.data())
def test_a_request_is_asked_or_refused_and_never_breaks(
    kind: Kind, request_: Json, answer: Json, data: st.DataObject
) -> None:
    odd = oddly(request_, data)

    if not written(odd):
        return
    with suppress(Invalid):
        orjson.dumps(asked(kind, odd))


@pytest.mark.parametrize(("kind", "request_", "answer"), CASES)
@given(data=st.data())
async def test_an_answer_is_told_or_is_none_and_never_breaks(
    kind: Kind, request_: Json, answer: Json, data: st.DataObject
) -> None:
    odd = oddly({name: value for name, value in answer.items() if name != "usage"}, data)

    with suppress(UpstreamFailed):
        orjson.loads(await replied(kind, request_, odd))


@pytest.mark.parametrize(("kind", "request_", "answer"), CASES)
@given(data=st.data())
async def test_a_stream_is_told_or_fails_and_never_breaks(
    kind: Kind, request_: Json, answer: Json, data: st.DataObject
) -> None:
    chunks = list(chunks_of({**answer, "usage": None}))
    place = data.draw(st.integers(0, len(chunks) - 1))
    chunks[place] = oddly(chunks[place], data)

    with suppress(UpstreamFailed):
        trees(sent(await streamed(kind, request_, events_of(*chunks))))


def test_every_translation_is_tried() -> None:
    assert {kind for kind, _, _ in CASES} == set(TRANSLATIONS)
