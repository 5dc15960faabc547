"""docs/reliability.md has a row for each fault that a trial injects, with the file of the trial, and no other."""

import re
from collections import defaultdict

from tests.sources import ROOT, sources

DOCS = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
MARK = re.compile(r"pytest\.mark\.fault\((\d+)\)")
ROW = re.compile(r"^\| (\d+) \| .* \| ((?:`test_\w+\.py`(?:, )?)+) \|$", re.MULTILINE)


def test_each_row_names_the_files_of_its_trials() -> None:
    trials: dict[int, set[str]] = defaultdict(set)
    for source in sources("tests"):
        if source.path.startswith("tests/chaos/test_"):
            for row in MARK.findall(source.text):
                trials[int(row)].add(source.path.removeprefix("tests/chaos/"))

    rows = {int(row): set(re.findall(r"test_\w+\.py", files)) for row, files in ROW.findall(DOCS)}

    assert rows == trials
