"""Personal data: what is found, what is left alone, and how much work a text can cause."""

import itertools
import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pii import Finding, findings, redact
from shared.pii.checks import is_card, is_iban, luhn
from shared.pii.folding import fold, fold_json
from shared.pii.rules import Kind
from shared.pii.search import RULES, matches

FOUND = [
    ("Mail ann@example.org now", "Mail [EMAIL] now"),
    ("o'brien+x@mail.co.uk.", "[EMAIL]."),
    ("j\u00f6rg@m\u00fcller.de", "[EMAIL]"),
    ("4111 1111 1111 1111 12 31", "[CARD] 12 31"),
    ("12 34 4111-1111-1111-1111 2026", "12 34 [CARD] 2026"),
    ("amex 3782 822463 10005", "amex [CARD]"),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[CARD]"),
    ("GB82 WEST 1234 5698 7654 32 and", "[IBAN] and"),
    ("DE89370400440532013000", "[IBAN]"),
    ("gb82west12345698765432", "[IBAN]"),
    ("is 123-45-6789.", "is [SSN]."),
    ("ssn 123456789", "ssn [SSN]"),
    ("SSN is: 123 45 6789", "SSN is: [SSN]"),
    ("call 555-123-4567", "call [PHONE]"),
    ("(212) 555-0187", "[PHONE]"),
    ("+44 20 7946 0958", "[PHONE]"),
    ("020 7946 0958", "[PHONE]"),
    ("06 12 34 56 78", "[PHONE]"),
    ("Tel: 030/1234567", "Tel: [PHONE]"),
    ("host 192.168.1.10 port", "host [IP] port"),
    ("from 2001:db8::1", "from [IP]"),
    ("::ffff:192.168.1.10", "[IP]"),
    ("MRN: 00123456, patient ID A-12345", "MRN: [MRN], patient ID [MRN]"),
    ("key sk-ant-api03-abcdefghijklmnopqrstuv!", "key [SECRET]!"),
    ("ghp_" + "a1B2" * 9, "[SECRET]"),
    ("AKIAABCDEFGHIJKLMNOP", "[SECRET]"),
    ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJlc2lnbmF0", "[SECRET]"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "[SECRET]"),
    ("my number is 943 476 5919.", "my number is [NHS]."),
    ("NHS number: 9434765919", "NHS number: [NHS]"),
    ("patient_id=A1234567", "patient_id=[MRN]"),
    ("\u8054\u7cfbann@example.org\u8054\u7cfb", "\u8054\u7cfb[EMAIL]\u8054\u7cfb"),
    ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.", "[SECRET]"),
    ("gsk_" + "a1B2" * 13, "[SECRET]"),
    ('{"api_key": "9Fq2xT7Lw0Zb4Kd8"}', '{"api_key": "[SECRET]"}'),
    ("Authorization: Bearer Zx8kQ2mN7pR4tV9wLs", "Authorization: Bearer [SECRET]"),
    (
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYz8Qk2LmN4pRs",
        "AWS_SECRET_ACCESS_KEY=[SECRET]",
    ),
    ("xyz8Q~" + "abcDEF123." * 3 + "Zq", "[SECRET]"),
    ("postgres://app:s3cret@10.20.30.40/x", "postgres://app:[SECRET]@[IP]/x"),
]

LEFT_ALONE = [
    "I can be reached @work, a@b, or user@localhost",
    "4111 1111 1111 1112 fails Luhn",
    "0000 0000 0000 0000",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "cosine 0.4111111111111111",
    "sha 4111111111111111abcdef",
    "GB83 WEST 1234 5698 7654 32",
    "isbn 978-3-16-148410-0",
    "epoch 1732435200000 at 2026-11-24T08:10:00Z",
    "see section 1.2.3.4 of v10.1.2.3",
    "999.1.1.1",
    "127.0.0.1 and ::1",
    "at 12:34:56, std::vector, dead::beef",
    "order number 1234567890",
    "123-45-6789-0 and 000-12-3456 and 900-12-3456",
    "between 2019 2020 2021 2022",
    "the medical record number is unknown",
    "sk-short",
    "143 476 5918",
    "order 9434765919",
    "password: correcthorsebatterystaple",
    "the token = aaaaaaaaaaaaaaaa1111",
    '{"u":"http://host:80","m":"a@b"}',
    "the secret of communication: internationalisation",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_personal_data_is_replaced_by_its_kind(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_only_looks_alike_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\uff14\uff11\uff11\uff11 1111 1111 1111", "[CARD]"),
        ("\u0664\u0661\u0661\u0661 1111 1111 1111", "[CARD]"),
        ("4111\u200b1111\u200b1111\u200b1111", "[CARD]"),
        ("123\u201145\u20116789", "[SSN]"),
        ("ann\u2060@ex\u00adample.org", "[EMAIL]"),
        ("020\u00a07946\u00a00958", "[PHONE]"),
    ],
)
def test_unicode_evasions_are_folded_away(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_finding_in_folded_text_points_into_the_original() -> None:
    assert findings("x \u200b\u200bann@\u200bex.org y") == [Finding(Kind.EMAIL, 4, 15)]


def test_overlapping_finds_become_one_named_by_the_strongest_kind() -> None:
    # The password of the URL and the e-mail address that it seems to begin share characters.
    assert findings("ftp://u:ann@example.org") == [Finding(Kind.SECRET, 8, 23)]


def test_text_without_a_find_is_returned_as_it_is() -> None:
    text = "Nothing to see \uff01"

    assert redact(text) is text


def test_fold_keeps_one_origin_for_each_character() -> None:
    folded = fold("a\u200b\uff11b")

    assert folded.text == "a1b"
    assert [folded.span(place, place + 1) for place in range(3)] == [(0, 1), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("digits", "expected"),
    [("4111111111111111", True), ("411111111111111", False), ("6304000000000000", True)],
)
def test_a_card_has_the_length_of_its_issuer(digits: str, *, expected: bool) -> None:
    assert luhn("79927398713")
    assert is_card(digits) is expected


def test_check_digits_of_an_iban_must_hold() -> None:
    assert is_iban("GB82WEST12345698765432")
    assert not is_iban("GB82WEST12345698765433")


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_is_searched_without_an_error(text: str) -> None:
    found = findings(text)

    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


@given(
    st.lists(st.sampled_from([*(text for text, _ in FOUND), *LEFT_ALONE, "\n", "x"]), max_size=5)
)
def test_looking_where_triggers_are_finds_what_looking_everywhere_does(pieces: list[str]) -> None:
    text = fold((" and so on, of which no more is said" * 6).join(pieces)).text

    everywhere = [
        (rule, match.span())
        for rule in RULES
        for match in rule.pattern.finditer(text)
        if rule.refine(match)
    ]

    assert [(rule, m.span()) for rule, m in matches(text) if rule.refine(m)] == everywhere


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_card_is_found_wherever_it_stands_alone(before: str, after: str) -> None:
    assert "4111 1111 1111 1111" not in redact(f"{before}; 4111 1111 1111 1111; {after}")


def test_no_pattern_looks_further_than_its_bound() -> None:
    # A look-ahead has no width of its own: what it holds is measured instead.
    patterns = [rule.pattern.pattern.replace("(?=(", "(?:(") for rule in RULES]
    widths = [re._parser.parse(pattern).getwidth()[1] for pattern in patterns]  # type: ignore[attr-defined]

    assert [rule for rule, width in zip(RULES, widths, strict=True) if width > rule.width] == []
    assert max(widths) < 14_000


ADVERSARIAL = [
    *("a@", "a@a.", "4 1 ", "4", ":", "a:", "GB82 ", "GB82WEST1234569876543", "+1", "1.", "eyJ"),
    *("eyJaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "tel 1 1 1 1 1 1 1 ", "://a:a", "012 345 "),
    *("sk-", "ssn  ", "mrn ", "4111 1111 1111 1112 ", "a-", "x.x@x-x.", "(2", "\uff11", "\u00e9@"),
]


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_twice_the_text_is_at_most_twice_the_work(unit: str) -> None:
    small = unit * (2_500 // len(unit))

    once, twice = _calls(lambda: redact(small)), _calls(lambda: redact(small + small))

    # The seam between the halves is searched too.
    assert twice <= 2.05 * once + 100


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_twenty_kilobytes_of_anything_stay_within_a_bound(unit: str) -> None:
    text = unit * (20_000 // len(unit))

    # Proofs are what costs: at most fifty calls for each character.
    assert _calls(lambda: redact(text)) <= 50 * len(text)


def _calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls: the same number in every run."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


_ESCAPED = st.lists(
    st.sampled_from(
        [
            "a",
            "\\n",
            "\\u0040",
            '\\"',
            "\\\\u0041",
            "\u200b",
            "\uff11",
            "\\",
            "\u00e9",
            "\U0001f600",
        ]
    ),
    max_size=12,
).map("".join)


@given(_ESCAPED)
def test_every_character_of_a_fold_has_a_place_of_its_own(text: str) -> None:
    for folded in (fold(text), fold_json(text)):
        spans = [folded.span(place, place + 1) for place in range(len(folded.text))]

        assert all(start < end for start, end in spans)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
        assert all(folded.place(place) == start for place, (start, _) in enumerate(spans))


def test_a_piece_that_was_escaped_is_all_of_its_escapes() -> None:
    text = '"\\u0041nn\\\\u0040ex.org\\n"'
    folded = fold_json(text)

    start, end = folded.span(1, 11)

    assert folded.text == '"Ann@ex.org\n"'
    assert text[start:end] == "\\u0041nn\\\\u0040ex.org"
