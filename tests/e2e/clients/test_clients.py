"""Clients that people use, as they are published, against Leeway over upstreams of either protocol."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.stack import Stack, a_stack
from tests.upstream import TEXT, Upstream, served

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT_SECONDS = 180
CONFIG = """
providers:
  - name: chats
    kind: mistral
    base_url: {url}/v1
  - name: messages
    kind: anthropic
    base_url: {url}
models:
  - name: over-openai
    routes: [{{provider: chats, model: stub-1}}]
  - name: over-anthropic
    routes: [{{provider: messages, model: stub-1}}]
"""
EMBEDS = {"over-openai": "over-openai", "over-anthropic": ""}

pytestmark = pytest.mark.asyncio(loop_scope="module")
over_both = pytest.mark.parametrize("model", EMBEDS)


@dataclass(frozen=True)
class House:
    """A running installation, and what a client must be told to speak with it."""

    stack: Stack

    def environment(self, model: str) -> dict[str, str]:
        url = self.stack.ready["url"]
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEEWAY_")},
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_KEY": self.stack.ready["api_key"],
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": self.stack.ready["api_key"],
            "LEEWAY_MODEL": model,
            "LEEWAY_EMBEDS": EMBEDS[model],
            "LEEWAY_TEXT": TEXT,
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder = tmp_path_factory.mktemp("clients")
    async with served(Upstream(keep=False, stub={"usage": True}).app()) as urls:
        config = folder / "leeway.yaml"
        config.write_text(CONFIG.format(url=urls[0]))
        async with a_stack(folder, LEEWAY_CONFIG=str(config)) as stack:
            yield House(stack)


@over_both
@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
async def test_a_python_client_is_served(
    house: House, client_python: Path, program: Path, model: str
) -> None:
    code, said = await _run(house.environment(model), str(client_python), str(program))

    assert code == 0, said
    assert "ok" in said


@over_both
@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.mjs")), ids=lambda path: path.stem)
async def test_a_node_client_is_served(
    house: House, client_node: Path, program: Path, model: str
) -> None:
    node = shutil.which("node")
    assert node is not None, "npm is there, and node is not"
    # A module is looked for from where its program lies.
    here = shutil.copy(program, client_node / program.name)
    code, said = await _run(house.environment(model), node, str(here))

    assert code == 0, said
    assert "ok" in said


async def _run(environment: dict[str, str], *words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")
