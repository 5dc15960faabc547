"""docs/protocols.md says who speaks what, and what a translation makes of it, as the code does."""

import re

import pytest

from services.serving.domain.request import Kind
from services.serving.protocols.completions.asking import DEFAULT_MAX_TOKENS
from services.serving.protocols.messages.answering import STOP_REASONS
from services.serving.protocols.messages.asking import EFFORTS
from services.serving.providers.capabilities import CAPABILITIES
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/messages", Kind.MESSAGE),
        ("/v1/responses", Kind.RESPONSE),
        ("/v1/completions", Kind.COMPLETION),
    ],
)
def test_who_speaks_a_protocol_is_told(path: str, kind: Kind) -> None:
    [cell] = re.findall(rf"^\| `POST {path}` \| ([^|]+) \|", PAGE, re.MULTILINE)

    names = {name.strip(" `").lower() for name in cell.split(",")}
    told = {"compatible" if name == "any compatible url" else name for name in names}
    assert told == {name for name, can in CAPABILITIES.items() if kind in can.kinds}


def test_the_numbers_of_translations_are_told() -> None:
    for least, effort in EFFORTS:
        assert (f"from {least:,} `{effort}`" if least else f"below `{effort}`") in PAGE
    assert f"the bound is {DEFAULT_MAX_TOKENS} tokens" in PAGE


def test_every_reason_of_an_end_is_told() -> None:
    [table] = re.findall(r"`stop_reason` \|\n(.+?)\n\n", PAGE, re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)`", table, re.MULTILINE)

    # The name of a call that OpenAI no longer makes is read, and need not be told.
    assert set(rows) == set(STOP_REASONS.items()) - {("function_call", "tool_use")}
