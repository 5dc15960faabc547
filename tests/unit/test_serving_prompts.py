"""Requests that name a prompt, and what is asked for them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.serving.domain.body import parse_body
from services.serving.domain.gate import Entry
from services.serving.domain.request import Kind, chat_request, request_of
from services.serving.prompts.check import PromptWritten
from services.serving.prompts.port import Message, Prompt, Version
from services.serving.prompts.reference import reference_of
from services.serving.prompts.text import filled, variables_of
from services.serving.protocols.messages.reading import message_request
from services.serving.protocols.responses.reading import response_request
from shared.errors import Invalid, LeewayError, NotFound
from shared.interactions import Context
from tests.builders import INTERACTION_ID, a_caller

READERS = {
    Kind.CHAT: chat_request,
    Kind.MESSAGE: message_request,
    Kind.RESPONSE: response_request,
}
TOOL = {
    "type": "function",
    "function": {"name": "order", "description": "Finds.", "parameters": {"type": "object"}},
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}}}
SYSTEM = Message("system", "You help the customers of {{company}}.")
FEW = (Message("user", "Hello, {{ company }}!"), Message("assistant", "Hello!"))
SUPPORT = Prompt(
    "support",
    {
        1: Version([SYSTEM], "gpt"),
        2: Version(
            [SYSTEM, *FEW],
            "gpt-large",
            {"temperature": 0.2, "max_tokens": 100, "stop": ["END"]},
            [TOOL],
            SCHEMA,
        ),
        3: Version([SYSTEM]),
        4: Version([SYSTEM], "gpt", {"seed": 7, "max_tokens": 9}),
    },
    {"production": 1, "staging": 2},
)


class Prompts:
    """The prompt `support`, of the tenant `acme` alone."""

    def prompt(self, tenant: str, name: str) -> Prompt | None:
        return SUPPORT if (tenant, name) == ("acme", "support") else None


def an_entry(tree: Mapping[str, Any], kind: Kind = Kind.CHAT, tenant: str = "acme") -> Entry:
    body = parse_body(json.dumps({"model": "", **tree}).encode())
    request = replace(request_of(kind, body), headers={"openai-beta": "x"})
    return Entry(INTERACTION_ID, a_caller(tenant=tenant), request, Context(session_id="s1"))


async def written(tree: Mapping[str, Any], kind: Kind = Kind.CHAT, tenant: str = "acme") -> Entry:
    return await PromptWritten(Prompts(), READERS).admit(an_entry(tree, kind, tenant))


async def refused(
    tree: Mapping[str, Any], kind: Kind = Kind.CHAT, tenant: str = "acme"
) -> LeewayError:
    with pytest.raises(LeewayError) as raised:
        await written(tree, kind, tenant)
    return raised.value


def named(version: str = "", **variables: object) -> dict[str, Any]:
    """A chat that names the prompt by its model."""
    return {
        "model": f"prompt:support{version}",
        "prompt": {"variables": {"company": "Acme", **variables}},
        "messages": [{"role": "user", "content": "Where is my order?"}],
    }


async def test_a_chat_asks_what_the_prompt_says_and_then_what_it_says_itself() -> None:
    entry = await written(named("@production"))

    assert entry.request.model == "gpt"
    assert entry.request.body.tree == {
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "You help the customers of Acme."},
            {"role": "user", "content": "Where is my order?"},
        ],
    }
    assert json.loads(entry.request.body.rewritten({})) == entry.request.body.tree
    assert (entry.context.prompt_name, entry.context.prompt_version) == ("support", "1")
    assert entry.context.session_id == "s1"


@pytest.mark.parametrize(
    ("version", "number"), [("", "1"), ("@production", "1"), ("@staging", "2"), ("@2", "2")]
)
async def test_a_version_is_named_by_its_number_or_a_label(version: str, number: str) -> None:
    entry = await written(named(version))

    assert entry.context.prompt_version == number


@pytest.mark.parametrize(
    "given", [{"id": "support"}, {"name": "support"}, {"id": "support", "label": "production"}, {"id": "support", "version": "1"}]
)  # fmt: skip
async def test_the_object_names_it_as_the_model_does(given: dict[str, Any]) -> None:
    by_object = {"prompt": {**given, "variables": {"company": "Acme"}}}
    rest = {"messages": [{"role": "user", "content": "Where is my order?"}]}

    entry = await written({**rest, **by_object, "model": None})

    assert entry.request == (await written(named())).request


async def test_a_prompt_may_be_all_that_is_asked() -> None:
    entry = await written({**named("@2"), "messages": []})

    assert [message["role"] for message in entry.request.body.tree["messages"]] == [
        "system",
        "user",
        "assistant",
    ]


async def test_the_requests_own_word_wins() -> None:
    own = {"temperature": 0.9, "max_completion_tokens": 5, "tools": [], "stop": None}

    tree = (await written({**named("@2"), **own})).request.body.tree

    assert tree["temperature"] == 0.9
    assert tree["max_completion_tokens"] == 5
    assert "max_tokens" not in tree
    assert tree["tools"] == []
    assert tree["stop"] == ["END"]
    assert tree["response_format"] == SCHEMA


async def test_a_model_beside_the_object_is_the_requests() -> None:
    given = {"prompt": {"id": "support", "variables": {"company": "Acme"}}, "model": "other"}

    entry = await written({**given, "messages": []})

    assert entry.request.model == "other"


async def test_a_message_has_the_prompts_system_before_its_own() -> None:
    own = {"system": "Be brief.", "max_tokens": 9}

    entry = await written({**named("@2"), **own}, Kind.MESSAGE)

    tree = entry.request.body.tree
    assert tree["system"] == [
        {"type": "text", "text": "You help the customers of Acme."},
        {"type": "text", "text": "Be brief."},
    ]
    assert [turn["role"] for turn in tree["messages"]] == ["user", "assistant", "user"]
    assert (tree["max_tokens"], tree["temperature"]) == (9, 0.2)
    assert tree["stop_sequences"] == ["END"]
    assert tree["tools"][0]["name"] == "order"
    assert tree["output_config"]["format"]["type"] == "json_schema"
    assert "prompt" not in tree


async def test_a_messages_bound_is_the_prompts_where_it_says_none() -> None:
    entry = await written(named("@2"), Kind.MESSAGE)

    assert entry.request.body.tree["max_tokens"] == 100
    assert isinstance(await refused(named("@1"), Kind.MESSAGE), Invalid)


async def test_a_response_has_the_prompt_before_its_input() -> None:
    version = replace(SUPPORT.versions[2], parameters={"max_tokens": 100, "tool_choice": TOOL})
    prompt = replace(SUPPORT, versions={2: version})
    given = {"prompt": {"id": "support", "version": "2", "variables": {"company": "Acme"}}}

    class One(Prompts):
        def prompt(self, tenant: str, name: str) -> Prompt | None:
            return prompt

    check = PromptWritten(One(), READERS)
    entry = await check.admit(an_entry({**given, "model": None, "input": "Why?"}, Kind.RESPONSE))

    tree = entry.request.body.tree
    assert [item["content"] for item in tree["input"]] == [
        "You help the customers of Acme.",
        "Hello, Acme!",
        "Hello!",
        "Why?",
    ]
    assert tree["max_output_tokens"] == 100
    assert tree["tools"] == [{"type": "function", **TOOL["function"]}]  # type: ignore[dict-item]
    assert tree["text"]["format"] == {"type": "json_schema", **SCHEMA["json_schema"]}  # type: ignore[dict-item]
    assert entry.request.model == "gpt-large"


async def test_a_response_may_say_the_prompt_alone_and_cannot_stop() -> None:
    entry = await written({"model": "prompt:support", "prompt": {"variables": {"company": "A"}}}, Kind.RESPONSE)  # fmt: skip
    fault = await refused(named("@2"), Kind.RESPONSE)

    assert [item["role"] for item in entry.request.body.tree["input"]] == ["system"]
    assert fault.code == "unsupported_parameter"


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.RESPONSE])
async def test_what_a_protocol_cannot_say_is_refused_and_not_left_out(kind: Kind) -> None:
    fault = await refused(named("@4"), kind)

    assert isinstance(fault, Invalid)
    assert fault.faults == ("'seed' has no counterpart there",)


async def test_a_prompt_that_openai_keeps_is_left_to_it() -> None:
    given = {"model": "gpt", "prompt": {"id": "pmpt_123", "version": "2"}, "input": "Why?"}

    entry = await written(given, Kind.RESPONSE)

    assert entry.request.body.tree == given
    assert entry.context.prompt_name == ""
    assert (await refused(given)).code == "prompt_not_found"


async def test_a_request_that_names_none_passes_as_it_is() -> None:
    entry = an_entry({"model": "gpt", "messages": [{"role": "user", "content": "{{company}}"}]})

    assert await PromptWritten(Prompts(), READERS).admit(entry) is entry


async def test_a_legacy_completion_has_a_prompt_of_its_own() -> None:
    entry = an_entry({"model": "gpt", "prompt": "Once upon a time"}, Kind.COMPLETION)

    assert await PromptWritten(Prompts(), READERS).admit(entry) is entry
    fault = await refused({"model": "prompt:support", "prompt": "Once"}, Kind.COMPLETION)
    assert isinstance(fault, Invalid)


async def test_an_embedding_cannot_name_one() -> None:
    fault = await refused({"model": "prompt:support", "input": "x"}, Kind.EMBEDDING)

    assert fault.code == "unsupported_operation"


async def test_another_tenants_prompt_is_not_there() -> None:
    fault = await refused(named(), tenant="umbrella")

    assert isinstance(fault, NotFound)
    assert fault.code == "prompt_not_found"


@pytest.mark.parametrize(
    ("version", "there"),
    [("@canary", "production, staging"), ("@9", "1, 2, 3, 4"), ("@" + "9" * 400, "production, staging"), ("@²", "production, staging")],
)  # fmt: skip
async def test_what_there_is_instead_is_named(version: str, there: str) -> None:
    fault = await refused(named(version))

    assert isinstance(fault, NotFound)
    assert there in fault.message


async def test_every_variable_that_is_amiss_is_named() -> None:
    fault = await refused({**named(), "prompt": {"variables": {"firm": "x", "town": "y"}}})

    assert isinstance(fault, Invalid)
    assert fault.faults == (
        "'prompt.variables.company' is missing",
        "'prompt.variables.firm' is not one of company",
        "'prompt.variables.town' is not one of company",
    )


async def test_without_a_model_anywhere_it_says_so() -> None:
    fault = await refused(named("@3"))

    assert isinstance(fault, Invalid)
    assert fault.param == "model"


async def test_a_long_value_in_many_places_is_refused_before_it_is_written_out() -> None:
    text = "{{company}}" * 100

    class One(Prompts):
        def prompt(self, tenant: str, name: str) -> Prompt | None:
            return Prompt(
                "support", {1: Version([Message("user", text)], "gpt")}, {"production": 1}
            )

    with pytest.raises(Invalid) as raised:
        await PromptWritten(One(), READERS).admit(an_entry(named(company="x" * 100_000)))

    assert raised.value.status == 413


async def test_private_metadata_and_headers_stay_with_the_request() -> None:
    tree = {**named(), "metadata": {"leeway_secret": "1", "shown": "2"}}

    request = (await written(tree)).request

    assert request.metadata == {"leeway_secret": "1", "shown": "2"}
    assert request.body.tree["metadata"] == {"shown": "2"}
    assert request.headers == {"openai-beta": "x"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": ""},
        {"id": 3},
        {"id": "a", "name": "a"},
        {"id": "a", "version": "1", "label": "b"},
        {"id": "a", "version": 1},
        {"id": "a", "more": 1},
        {"id": "a", "variables": []},
        {"id": "a", "variables": {"x": None}},
        {"id": "a", "variables": {"x": {"type": "input_image"}}},
    ],
)
def test_an_object_that_is_no_reference_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        reference_of({"prompt": given})


def test_a_name_is_said_once() -> None:
    with pytest.raises(Invalid):
        reference_of({"model": "prompt:a", "prompt": {"id": "a"}})


def test_values_are_texts_numbers_or_text_inputs() -> None:
    variables = {"a": "x", "b": 1.5, "c": True, "d": {"type": "input_text", "text": "y"}}

    reference = reference_of({"prompt": {"id": "p", "variables": variables}})

    assert reference is not None
    assert reference.variables == {"a": "x", "b": "1.5", "c": "true", "d": "y"}


NAMES = st.sampled_from(["a", "b", "_c1"])
PIECES = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text("ab{}$%\\ \n", max_size=6)),
        st.tuples(st.just("variable"), NAMES),
    ),
    max_size=6,
)
VALUES = st.fixed_dictionaries(
    dict.fromkeys(["a", "b", "_c1"], st.text("{}ab_c1 \\g<0>\n", max_size=12))
)


@given(PIECES, VALUES)
def test_a_value_is_put_in_as_it_is_and_never_read_again(
    pieces: list[tuple[str, str]], values: dict[str, str]
) -> None:
    # A brace beside a variable's would be a part of it.
    parts = [(kind, text.strip("{}") if kind == "text" else text) for kind, text in pieces]
    text = "".join(f"{{{{{part}}}}}" if kind == "variable" else part for kind, part in parts)
    if not variables_of("".join(part for kind, part in parts if kind == "text")):
        expected = "".join(values[part] if kind == "variable" else part for kind, part in parts)

        assert filled(text, values) == expected
        assert variables_of(text) == {part for kind, part in parts if kind == "variable"}


@pytest.mark.parametrize("text", ["{{}}", "{{ a b }}", "{{1}}", "{{a.b}}", "{{a|e}}", "{% if a %}", "{a}", "${a}", "{{__import__('os')}}", "{{a\n}}"])  # fmt: skip
def test_what_is_no_variable_is_text(text: str) -> None:
    assert variables_of(text) == frozenset()
    assert filled(text, {}) == text
