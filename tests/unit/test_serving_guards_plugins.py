"""Guards that installed packages bring: an entry point and a class."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.serving.guards.catalogue import Catalogue
from services.serving.guards.rails import Switchyard
from shared.errors import Unavailable
from tests.builders import a_caller
from tests.guards import (
    PII,
    WordEmbedder,
    a_chat,
    a_guardrail,
    a_live_view,
    a_policy,
    admitted,
)
from tests.sources import ROOT

GUIDE = (ROOT / "docs" / "guardrails.md").read_text(encoding="utf-8")
PLUGIN = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0]


@pytest.fixture
def _a_package_of_guards(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "code_words.py").write_text(PLUGIN)
    info = tmp_path / "code_words-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: code-words\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[leeway.guards]\ncode_words = code_words:CodeWords\nbroken = code_words:Nothing\n"
    )
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("code_words", None)


@pytest.mark.usefixtures("_a_package_of_guards")
def test_a_guard_of_an_installed_package_is_used_by_its_name() -> None:
    guard = a_guardrail("code_words", options={"words": ["basilisk"]})

    assert admitted(a_chat("the basilisk wakes"), guard).body.tree["messages"][0]["content"] == (
        "the [CODE_WORD] wakes"
    )


@pytest.mark.usefixtures("_a_package_of_guards")
def test_a_package_that_cannot_be_loaded_refuses_the_call_in_words() -> None:
    live = a_live_view(tenant=a_policy(a_guardrail("broken", "flag")))

    with pytest.raises(Unavailable, match="cannot be loaded"):
        Switchyard(live, Catalogue(WordEmbedder())).path(a_caller(), "m")


def test_a_caller_of_another_tenant_has_other_guards() -> None:
    yard = Switchyard(a_live_view(tenant=a_policy(PII)), Catalogue(WordEmbedder()))

    assert not yard.path(replace(a_caller(), tenant="globex"), "m").asked.markers
