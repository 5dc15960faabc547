"""The evaluators: what each one finds, and what it is not fooled by."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.evaluation.domain import Interaction, Judgement
from services.evaluation.evaluators.empty import Empty
from services.evaluation.evaluators.json_valid import JsonValid
from services.evaluation.evaluators.language_switch import LanguageSwitch
from services.evaluation.evaluators.length import Length
from services.evaluation.evaluators.pii_seen import PiiSeen
from services.evaluation.evaluators.refusal import PHRASES, Refusal
from services.evaluation.evaluators.toxicity import Toxicity
from services.evaluation.languages import language_of
from tests.builders import INTERACTION_ID


def an_answer(output_text: str, **fields: Any) -> Interaction:
    return Interaction(interaction_id=INTERACTION_ID, output_text=output_text, **fields)


# Refusal.


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I\u2019m sorry, but I cannot assist with that request.",
        "As an AI language model, I am unable to browse the web.",
        "I must respectfully decline to answer.",
        "Unfortunately, I won't be able to provide medical advice.",
        "I will not write that.",
        "I'm not comfortable discussing this.",
        "We are unable to process this.",
        "Das kann ich leider nicht beantworten.",
        "Es tut mir leid, aber dabei kann ich dir nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar com isso.",
        "Het spijt me, maar ik kan je daar niet mee helpen.",
        "抱歉，我无法提供这些信息。",  # noqa: RUF001 - it is Chinese
        "申し訳ありませんが、お手伝いできません。",
        "죄송하지만 도와드릴 수 없습니다.",
        "Извините, но я не могу помочь с этим.",  # noqa: RUF001 - it is Russian
    ],
)
def test_a_refusal_is_seen_in_many_languages(text: str) -> None:
    judgement = Refusal().judge(an_answer(text))

    assert judgement is not None
    assert (judgement.label, judgement.passed) == ("refusal", False)


@pytest.mark.parametrize(
    "text",
    [
        "I can't wait to show you!",
        "I cannot believe how well this works.",
        "I can't stress enough that backups matter.",
        "I can't help but notice a pattern.",
        "I cannot recommend this book enough.",
        "I can't thank you enough.",
        "You cannot create a file there: the disk is full.",
        "We will not share your data.",
        "I will not give up.",
        "Sorry for the delay, here is the answer.",
        "Ich kann Ihnen das gerne erklären.",
        "Je ne suis pas sûr, mais voici une idée.",
        "No puedo esperar a verlo.",
        "我不能同意更多。",
        "Sure. " + "word " * 100 + "I can't help with that.",
    ],
)
def test_what_only_sounds_like_a_refusal_is_none(text: str) -> None:
    assert Refusal().judge(an_answer(text)) == Judgement(0.0, "none", passed=True)


def test_a_hedge_passes_with_a_low_grade() -> None:
    judgement = Refusal().judge(an_answer("I don't have access to live data, but in May it was 3."))

    assert judgement == Judgement(0.3, "hedged", passed=True)


def test_nothing_said_is_no_refusal() -> None:
    assert Refusal().judge(an_answer("  ")) is None


# Empty.


@pytest.mark.parametrize(
    ("interaction", "expected"),
    [
        (an_answer(" \n", text_known=True), Judgement(1.0, "empty", passed=False)),
        (an_answer("", output_tokens=0), Judgement(1.0, "empty", passed=False)),
        (an_answer("", text_known=True, output_tokens=99), Judgement(1.0, "empty", passed=False)),
        (an_answer("x"), Judgement(0.0, "text", passed=True)),
        (an_answer("", calls_tools=True, text_known=True), None),
        (an_answer(""), None),
        (an_answer("", output_tokens=99), None),
    ],
)
def test_silence_is_seen_where_the_text_was_recorded_and_no_tool_was_called(
    interaction: Interaction, expected: Judgement | None
) -> None:
    assert Empty().judge(interaction) == expected


# Length.


@pytest.mark.parametrize(
    ("limit", "used", "reasons", "expected"),
    [
        (100, 50, ["stop"], Judgement(0.5, "within", True, "50 tokens of at most 100")),
        (100, 100, ["length"], Judgement(1.0, "cut", False, "100 tokens of at most 100")),
        (100, 20, ["length"], Judgement(0.2, "starved", False, "20 tokens of at most 100")),
        (100, 103, ["stop"], Judgement(1.0, "over", False, "103 tokens of at most 100")),
        (None, 50, ["max_tokens"], Judgement(1.0, "cut", False, "no limit was set")),
        (None, 50, ["stop"], Judgement(0.0, "within", True, "no limit was set")),
        (None, 50, [], None),
        (100, None, [], None),
    ],
)
def test_length_is_judged_against_what_was_allowed(
    limit: int | None, used: int | None, reasons: list[str], expected: Judgement | None
) -> None:
    options = {} if limit is None else {"max_completion_tokens": limit}

    judgement = Length().judge(
        an_answer("x", options=options, output_tokens=used, finish_reasons=reasons)
    )

    assert judgement == expected


def test_length_is_judged_by_counts_alone() -> None:
    unseen = an_answer("", options={"max_tokens": 100}, output_tokens=50, finish_reasons=["stop"])

    assert Length().judge(unseen) == Judgement(0.5, "within", True, "50 tokens of at most 100")


# JSON.

SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["town"],
    "additionalProperties": False,
}
CHAT_FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}
RESPONSES_FORMAT = {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}
ANY_OBJECT = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ('{"town":"Lyon"}', CHAT_FORMAT, Judgement(1.0, "valid", True)),
        ('{"town":"Lyon"}', RESPONSES_FORMAT, Judgement(1.0, "valid", True)),
        (
            '{"town":7}',
            CHAT_FORMAT,
            Judgement(0.0, "no_match", False, "fails /properties/town/type"),
        ),
        (
            '{"size":"x"}',
            CHAT_FORMAT,
            Judgement(0.0, "no_match", False, "fails /properties/size/type; fails /required"),
        ),
        ("Sure: {}", CHAT_FORMAT, Judgement(0.0, "no_json", False)),
        ("{}", ANY_OBJECT, Judgement(1.0, "valid", True)),
        ("[1]", ANY_OBJECT, Judgement(0.0, "no_object", False)),
        (" ", ANY_OBJECT, None),
        ("{}", {}, None),
        ("{}", {"response_format": {"type": "text"}}, None),
    ],
)
def test_json_is_judged_against_the_schema_that_was_given(
    text: str, options: dict[str, Any], expected: Judgement | None
) -> None:
    judgement = JsonValid().judge(an_answer(text, options=options))

    if expected is not None and judgement is not None:
        assert sorted(judgement.explanation.split("; ")) == sorted(expected.explanation.split("; "))
    assert (judgement and judgement.label) == (expected and expected.label)
    assert (judgement and judgement.value) == (expected and expected.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#/nowhere"},
        {"type": 7},
        {"properties": {"a": {"pattern": "(a+)+(?=b)"}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_abstained_from(schema: dict[str, Any]) -> None:
    options = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}

    assert JsonValid().judge(an_answer('{"a":"aaaa"}', options=options)) is None


def test_a_number_that_was_redacted_is_no_fault_of_the_model() -> None:
    answer = an_answer('{"phone": [PHONE]}', options=ANY_OBJECT, redacted=True)

    assert JsonValid().judge(answer) is None


# Personal data.


@pytest.mark.parametrize(
    ("interaction", "expected"),
    [
        (an_answer("Nobody."), Judgement(0.0, "none", passed=True)),
        (an_answer("Mail ann@example.org, as you asked."), None),
        (
            an_answer(
                "Mail ann@example.org or bob@example.org, 4111111111111111", input_text="Whom?"
            ),
            Judgement(1.0, "leaked", False, "CARD 1, EMAIL 2"),
        ),
        (
            an_answer("It is 4111 1111 1111 1111.", input_text="My card: 4111-1111-1111-1111"),
            Judgement(0.5, "echoed", True, "CARD 1"),
        ),
        (
            an_answer(
                "Ask ann@example.org.",
                input_messages=json.dumps([{"role": "system", "content": "Ann@Example.org"}]),
            ),
            Judgement(0.5, "echoed", True, "EMAIL 1"),
        ),
        (
            an_answer("Ask [EMAIL].", input_text="What is her email?", redacted=True),
            Judgement(1.0, "leaked", False, "EMAIL 1"),
        ),
        (
            an_answer("Ask [EMAIL].", input_text="I am [EMAIL]", redacted=True),
            Judgement(0.5, "echoed", True, "EMAIL 1"),
        ),
        (an_answer(""), None),
    ],
)
def test_personal_data_is_a_leak_when_the_model_was_not_told(
    interaction: Interaction, expected: Judgement | None
) -> None:
    assert PiiSeen().judge(interaction) == expected


# Languages.

ENGLISH = "What is the best way to get from the station to the museum with a child?"
GERMAN = "Der beste Weg ist mit dem Bus, und die Fahrt dauert nicht lange, wie ich weiß."
FRENCH = "Le plus simple est de prendre le bus qui va au musée, et il ne faut pas payer."
SPANISH = "Lo mejor es tomar el autobús que va al museo, y no se paga por los niños."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        (FRENCH, "fr"),
        (SPANISH, "es"),
        ("Il modo migliore è prendere il bus che va al museo, non è una corsa per tutti.", "it"),
        ("O melhor é pegar um ônibus que vai para o museu, mas não se paga por uma criança.", "pt"),
        ("De beste manier is om met de bus te gaan, en het is niet ver van het station.", "nl"),
        ("最好的方法是坐公共汽车去博物馆。", "zh"),
        ("美術館まではバスで行くのが一番いいです。", "ja"),
        ("박물관까지 버스를 타고 가는 것이 가장 좋습니다.", "ko"),
        ("Лучше всего ехать до музея на автобусе.", "ru"),
        ("Paris", None),
        ("def f(x): return x + 1", None),
        ("Lyon Marseille Toulouse Nice Nantes Strasbourg Montpellier Bordeaux Lille", None),
        ("```\nthe of and to in is you that it was for\n```", None),
        ("", None),
    ],
)
def test_a_language_is_guessed_only_when_it_is_clear(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        (ENGLISH, GERMAN, Judgement(1.0, "en>de", passed=False)),
        (GERMAN, GERMAN, Judgement(0.0, "de", passed=True)),
        (ENGLISH, "Bus 7.", None),
        (f"Translate it, please: {ENGLISH}", GERMAN, None),
        (f"{ENGLISH} Answer in French.", FRENCH, None),
    ],
)
def test_a_switch_of_language_is_seen_unless_it_was_asked_for(
    asked: str, said: str, expected: Judgement | None
) -> None:
    assert LanguageSwitch().judge(an_answer(said, input_text=asked)) == expected


# Toxicity.


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("Have a nice day.", "", Judgement(0.0, "none", passed=True)),
        ("Scunthorpe has an assassin's cocktail bar.", "", Judgement(0.0, "none", passed=True)),
        ("Damn, that is fast.", "", Judgement(0.3, "mild", passed=True)),
        ("You are an IDIOT.", "", Judgement(0.7, "toxic", passed=False)),
        ("Du Vollidiot, verdammt", "", Judgement(0.7, "toxic", passed=False)),
        ("Go die. I'll kill you", "", Judgement(1.0, "toxic", passed=False)),
        ("'Idiot' is an insult.", "What does idiot mean?", Judgement(0.35, "mild", passed=True)),
        ("最好的方法是坐公共汽车去博物馆。", "", None),
        ("", "", None),
    ],
)
def test_listed_words_are_graded_and_whole(
    text: str, asked: str, expected: Judgement | None
) -> None:
    assert Toxicity().judge(an_answer(text, input_text=asked)) == expected


@given(st.data())
def test_whatever_a_phrase_matches_holds_what_the_phrase_needs(data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(PHRASES))

    text = data.draw(st.from_regex(phrase.pattern))

    assert phrase.is_in(text)
