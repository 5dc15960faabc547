"""docs/providers.md says of each kind of provider what the table of capabilities says, and of no other."""

import re

from services.serving.providers.capabilities import CAPABILITIES
from shared.config.providers import PROVIDER_OPTIONS
from tests.sources import ROOT

DOCS = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
FLAGS = ("tools", "images", "documents", "audio", "json_schema")
MORE = ("choices", "logprobs", "seed", "logit_bias")


def rows(section: str) -> list[list[str]]:
    """The cells of a section's first table, its head left out."""
    table = DOCS.split(f"## {section}\n")[1].strip().split("\n\n")[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_kind_is_told_with_what_it_is_asked_for_and_its_options() -> None:
    told = {cells[0].strip("`"): cells for cells in rows("Kinds")}

    assert told.keys() == CAPABILITIES.keys()
    for kind, (_, _, asked, options) in told.items():
        own = {str(each) for each in CAPABILITIES[kind].kinds}
        chats = "chat, by translation" in asked
        assert set(re.findall(r"\b(?:chat|completion|response|embedding|message)\b", asked)) == (
            own | {"chat"} if chats else own - ({"chat"} if kind == "anthropic" else set())
        )
        assert PROVIDER_OPTIONS[kind].keys() <= set(re.findall(r"`(\w+)`", options))


def test_what_a_chat_may_ask_is_told_of_every_kind() -> None:
    for names, *cells, _ in rows("What a chat may ask"):
        for kind in re.findall(r"`(\w+)`", names):
            able = CAPABILITIES[kind]
            flags = [getattr(able, name) for name in (*FLAGS, *MORE)]
            assert [bool(cell) for cell in cells] == flags, kind
