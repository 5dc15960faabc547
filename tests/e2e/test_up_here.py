"""`leeway up` on this machine: its verbs find it, its first words fit it, and its data are its owner's."""

import json
import stat
from pathlib import Path

from tests.stack import a_stack

CONFIG = """
demo: false
providers: [{name: own, kind: openai, base_url: "http://127.0.0.1:9"}]
models: [{name: support, routes: [{provider: own, model: m}]}]
"""


def open_to_others(data: Path) -> list[str]:
    """Everything in a data folder, and itself, that another user has any access to."""
    return [
        f"{path} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in [data, *data.rglob("*")]
        if not path.is_symlink() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]


async def test_it_is_found_by_its_verbs_fits_its_configuration_and_is_its_owners_alone(
    tmp_path: Path,
) -> None:
    config, data = tmp_path / "leeway.yaml", tmp_path / "data"
    config.write_text(CONFIG)
    async with a_stack(tmp_path, LEEWAY_CONFIG=str(config)) as stack:
        asked = await stack.leeway("sql", "SELECT 1 AS n", "--format", "csv")
        code, keys = await stack.leeway("keys", "list", "--json")
        exposed = open_to_others(data)
        await stack.stop()
    said = (tmp_path / "up.log").read_text()

    assert asked == (0, '"n"\n1\n')
    named = [json.loads(line)["name"] for line in keys.splitlines()]
    assert (code, sorted(named)) == (0, ["first", "operator"])
    assert exposed == []
    assert not (data / "endpoints.json").exists()
    assert 'create(model="support"' in said
    assert "demo" not in said
