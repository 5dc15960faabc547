"""What an upstream says of its error, in whatever shape, and what of it is kept."""

import pytest

from services.serving.domain.failure import MAX_REASON_CHARS, MAX_SAID_CHARS, Said, refused, said_in


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c"}}', Said("c", "m")),
        (b'{"error":{"message":"m","type":"t","code":null}}', Said("t", "m")),
        (
            b'{"object":"error","message":"m","type":"BadRequest","code":400}',
            Said("BadRequest", "m"),
        ),
        (b'{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}', Said("NOT_FOUND", "m")),
        (b'{"error":{"code":"429","message":"m"}}', Said("", "m")),
        (b'{"error":"m"}', Said("", "m")),
        (b'{"error":{"message":{"a":1},"code":["c"]}}', Said()),
        (b"[1]", Said()),
        (b"", Said()),
    ],
)
def test_every_shape_of_an_error_is_read(body: bytes, said: Said) -> None:
    assert said_in(body) == said


def test_a_reason_is_one_bounded_word_and_a_message_is_bounded() -> None:
    body = b'{"error":{"message":"%s","code":"a b\\n:%s"}}' % (b"m" * 9_000, b"c" * 900)

    said = said_in(body)

    assert said.reason.startswith("a_b_ccc")
    assert len(said.reason) <= MAX_REASON_CHARS
    assert len(said.message) == MAX_SAID_CHARS


def test_an_error_type_is_ours_when_the_upstream_says_none() -> None:
    assert refused("stub", 500, b"").error_type == "upstream_refused"
    assert refused("stub", 429, b'{"error":{"code":"slow"}}').error_type == "upstream_refused:slow"
