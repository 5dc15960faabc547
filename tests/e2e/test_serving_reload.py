"""The configuration is read again while everything runs: whole or not at all, and no call fails for it."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from shared.secrets_folder import SecretsFolder
from tests.stack import Stack, a_stack

CONFIG = """
providers:
  - name: demo
    kind: demo
models:
  - name: first
    routes: [{{provider: demo, model: demo}}]
{more}
tenants:
  - tenant: acme
    keys: [{{name: app, scopes: [serve, read]}}]
"""
SECOND = "  - name: second\n    routes: [{provider: demo, model: demo}]"


async def test_what_is_added_is_live_and_what_is_broken_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "leeway.yaml"
    config.write_text(CONFIG.format(more=""))
    async with a_stack(tmp_path, LEEWAY_CONFIG=str(config), LEEWAY_EDGE_WORKERS="2") as stack:
        streaming = asyncio.create_task(_stream(stack))
        config.write_text(CONFIG.format(more=SECOND))
        stack.process.send_signal(signal.SIGHUP)
        await _comes(stack, lambda told: "second" in told["models"])

        config.write_text(CONFIG.format(more=SECOND)[:-40] + "\n  nonsense: [")
        stack.process.send_signal(signal.SIGUSR2)
        await _comes(stack, lambda told: bool(told["faults"]))
        kept = await _told(stack)
        code, doctor = await stack.leeway("doctor")

        config.write_text(CONFIG.format(more=""))
        reply = await _admin(stack, "POST", "/v1/serving/reload")
        await _comes(stack, lambda told: "second" not in told["models"] and not told["faults"])
        whole = await streaming

    assert "second" in kept["models"]
    assert (code, "its last reading was refused" in " ".join(doctor.split())) == (0, True)
    assert reply == {"object": "reload", "status": "asked"}
    assert whole.endswith("data: [DONE]\n\n")


async def _comes(stack: Stack, holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds(await _told(stack)):
            await asyncio.sleep(0.2)


async def _told(stack: Stack) -> dict[str, Any]:
    """The models that every worker may be seen to have, and what the health says of the configuration."""
    headers = {"authorization": f"Bearer {stack.ready['api_key']}"}
    url = stack.ready["url"]
    async with aiohttp.request("GET", f"{url}/v1/models", headers=headers) as reply:
        models = {model["id"] for model in (await reply.json())["data"]}
    health = await _admin(stack, "GET", "/v1/health")
    return {"models": models, "faults": health["configuration"]["faults"]}


async def _admin(stack: Stack, method: str, path: str) -> dict[str, Any]:
    key = SecretsFolder(stack.folder / "data").credentials().keys["leeway/operator"]
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.request(method, f"{stack.ready['url']}{path}", headers=headers) as reply:
        told: dict[str, Any] = await reply.json()
    return told


async def _stream(stack: Stack) -> str:
    headers = {"authorization": f"Bearer {stack.ready['api_key']}"}
    body = {"model": "first", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    url = f"{stack.ready['url']}/v1/chat/completions"
    async with aiohttp.request("POST", url, headers=headers, json=body) as reply:
        return await reply.text()
