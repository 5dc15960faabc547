"""ARCHITECTURE.md names files that are there, and one meaning for each word."""

import re
from collections import Counter

import pytest

from tests.sources import ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
FOLDERS = "services|shared|infra|tests|protos|docs|sdk|examples|benchmarks"

# A path may hold a part to fill in: `services/<name>/`, `NNNN_<owner>_<what>.py`.
PATHS = sorted(set(re.findall(rf"`((?:{FOLDERS})/[^`\s]*)`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_named_is_there(path: str) -> None:
    pattern = re.sub(r"NNNN|<\w+>", "*", path.rstrip("/"))

    assert any(ROOT.glob(pattern))


def test_a_word_has_one_meaning() -> None:
    glossary = TEXT.partition("## Words")[2].partition("\n## ")[0]
    words = [
        word
        for row in re.findall(r"^\| (\*[^|]+\*) \|", glossary, re.MULTILINE)
        for word in re.findall(r"\*(\w+)\*", row)
    ]

    assert "interaction" in words
    assert {word for word, count in Counter(words).items() if count > 1} == set()
