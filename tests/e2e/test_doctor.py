"""`leeway doctor` against an installation that is well, in both modes."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import a_stack

EVERYWHERE = {
    *("data", "configuration", "secrets", "outboxes", "backlog", "registry", "keys", "processes"),
    *("sql", "tables", "rated", "books"),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the cluster's PostgreSQL may enter too, which root runs as another user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("words", "more"),
    [((), set()), (("--cluster",), {"certificates", "kafka", "topics", "groups"})],
)
async def test_an_installation_that_has_just_started_is_well(
    folder: Path, words: tuple[str, ...], more: set[str]
) -> None:
    async with a_stack(folder, *words) as stack:
        code, output = await stack.leeway("doctor", "--json", "--url", stack.ready["sql_url"])

    told = json.loads(output)
    assert [one for one in told["checks"] if one["state"] != "ok"] == []
    assert {one["check"] for one in told["checks"]} == EVERYWHERE | more
    assert (code, told["ok"]) == (0, True)
