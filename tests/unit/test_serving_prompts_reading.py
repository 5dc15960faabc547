"""A file of a prompt, read as a whole or refused by name."""

import pytest

from services.serving.prompts.port import Message, Version
from services.serving.prompts.reading import read_prompt
from shared.errors import Invalid

WHOLE = """\
name: support-agent
tenants: [acme, umbrella]
labels: {production: 3, staging: 12}
versions:
  3:
    model: gpt
    messages:
      - {role: system, content: "You help the customers of {{company}}. ${NAME} is text."}
  12:
    messages:
      - role: system
        content: |
          You help.
      - {role: user, content: 2026-11-24}
    parameters: {temperature: 0.2, top_p: 1, max_tokens: 400, stop: [END], seed: 0x10, parallel_tool_calls: false}
    tools:
      - {type: function, function: {name: order, parameters: {type: object, required: [id, null, 1.5, true]}}}
    response_format: {type: json_object}
"""
SHORT = "name: a\ntenants: [acme]\nversions: {1: {messages: [{role: user, content: Hello}]}}\n"


def test_a_whole_file_is_read() -> None:
    read = read_prompt(WHOLE)

    assert read.tenants == ("acme", "umbrella")
    assert read.prompt.name == "support-agent"
    assert read.prompt.labels == {"production": 3, "staging": 12}
    text = "You help the customers of {{company}}. ${NAME} is text."
    assert read.prompt.versions[3] == Version((Message("system", text),), "gpt")
    function = {
        "name": "order",
        "parameters": {"type": "object", "required": ["id", None, 1.5, True]},
    }
    assert read.prompt.versions[12] == Version(
        (Message("system", "You help.\n"), Message("user", "2026-11-24")),
        "",
        {
            "temperature": 0.2,
            "top_p": 1.0,
            "max_tokens": 400,
            "stop": ["END"],
            "seed": 16,
            "parallel_tool_calls": False,
        },
        ({"type": "function", "function": function},),
        {"type": "json_object"},
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "got 'null'"),
        ("name: [", "line 1: not valid YAML"),
        (SHORT.replace("name: a", "name: a b"), "$.name"),
        (SHORT.replace("[acme]", "[]"), "$.tenants"),
        (SHORT.replace("[acme]", "[Acme Inc]"), "$.tenants[0]"),
        (SHORT.replace("1:", "0:"), "$.versions"),
        (SHORT.replace("1:", "latest:"), "$.versions"),
        (SHORT.replace("{1: {messages: [{role: user, content: Hello}]}}", "{}"), "$.versions"),
        (SHORT.replace("role: user", "role: tool"), "'tool'"),
        (SHORT.replace("content: Hello", "content: [Hello]"), "content"),
        (SHORT.replace("content: Hello", "contents: Hello"), "content"),
        (SHORT.replace("}]}", "}], parameters: {heat: 1}}"), "heat"),
        (SHORT.replace("}]}", "}], parameters: {max_tokens: 0}}"), "max_tokens"),
        (SHORT.replace("}]}", "}], parameters: {top_p: .nan}}"), "'.nan' is no number of JSON"),
        (SHORT + "labels: {production: 2}\n", "there is no version 2, only 1"),
        (SHORT + "labels: {2: 1}\n", "labels"),
        (SHORT + "name: b\n", "given twice"),
        (SHORT + "more: !!binary aGk=\n", "binary"),
        (SHORT + "more: {? [a] : b}\n", "a key must be"),
        (SHORT + "more: &a b\nmost: *a\n", "aliases"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_says_where(text: str, told: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_prompt(text)

    assert told in raised.value.message


@pytest.mark.parametrize("end", range(1, len(SHORT) - 3, 4))
def test_half_a_file_is_no_prompt(end: int) -> None:
    with pytest.raises(Invalid):
        read_prompt(SHORT[:end])
