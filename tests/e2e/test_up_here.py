"""`leeway up` on this machine: its verbs find it, its first words fit it, and its data are its owner's."""

import json
import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import a_stack

CONFIG = """
demo: false
providers: [{name: own, kind: openai, base_url: "http://127.0.0.1:9"}]
models: [{name: support, routes: [{provider: own, model: m}]}]
"""


def open_to_others(folder: Path) -> Iterator[Path]:
    """What another user could list or read, from a folder down; a folder may be gone through where it is known."""
    mode = folder.stat().st_mode
    if mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
        yield folder
    if folder.is_dir() and mode & (stat.S_IXGRP | stat.S_IXOTH):
        for inside in folder.iterdir():
            yield from open_to_others(inside)


async def test_its_verbs_find_it_its_words_fit_it_and_its_data_are_its_owners_alone(
    tmp_path: Path,
) -> None:
    config, data = tmp_path / "leeway.yaml", tmp_path / "data"
    config.write_text(CONFIG)
    async with a_stack(tmp_path, LEEWAY_CONFIG=str(config)) as stack:
        os.kill(stack.ready["pids"]["edge-0"], signal.SIGKILL)
        asked = await stack.leeway("sql", "SELECT 1 AS n", "--format", "csv")
        code, keys = await stack.leeway("keys", "list", "--json")
        exposed = list(open_to_others(data))
        await stack.stop()
    said = (tmp_path / "up.log").read_text()

    logs = data / "logs"
    assert asked == (0, '"n"\n1\n')
    named = [json.loads(line)["name"] for line in keys.splitlines()]
    assert (code, sorted(named)) == (0, ["first", "operator"])
    assert (stat.S_IMODE(data.stat().st_mode), exposed) == (0o700, [])
    assert not (data / "endpoints.json").exists()
    assert "edge-0 ended with code -9; starting it again in " in said
    assert f"(its log: {logs}/edge-0.log; its last words: {logs}/edge-0.out)" in said
    assert 'create(model="support"' in said
    assert "demo" not in said


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter too, where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="leeway-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def test_of_a_clusters_data_others_read_nothing_but_postgresqls_programs(
    folder: Path,
) -> None:
    data = folder / "data"
    programs = data / "postgres" / "postgresql"
    async with a_stack(folder, "--cluster"):
        exposed = [path for path in open_to_others(data) if not path.is_relative_to(programs)]

    assert exposed == []
