"""A process that starts again answers nobody before it knows what is live: no key is refused meanwhile."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.clock import SystemClock
from shared.ids import new_id
from shared.live import hash_secret, split_key
from shared.log.outbox import SqliteOutbox
from shared.log.record import Fact
from shared.secrets_folder import SecretsFolder
from shared.tokens import new_token
from shared.topics import REGISTRY_CHANGED
from tests.stack import stack_environment

EARLIER = 20_000
TOKEN = new_token("production")


def a_change(revision: int, entity: str, entity_id: str, body: Mapping[str, object]) -> Fact:
    change = RegistryChanged(
        revision=revision, entity=entity, entity_id=entity_id, body=json.dumps(body)
    )
    return Fact(REGISTRY_CHANGED, "", new_id(), change.SerializeToString())


def changes(pepper: bytes) -> list[Fact]:
    """A long history, and at its end the key."""
    key_id, secret = split_key(TOKEN)
    key = {
        "tenant": "acme",
        "project": "default",
        "environment": "production",
        "scopes": ["serve"],
        "secret_hash": hash_secret(pepper, secret),
    }
    models = [a_change(n, "model", "m", {"routes": []}) for n in range(1, EARLIER)]
    return [*models, a_change(EARLIER, "key", key_id, key)]


async def test_a_caller_that_waits_for_a_restart_is_not_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with SqliteOutbox(data / "log" / "edge-0.db", SystemClock()) as outbox:
        await outbox.append(changes(SecretsFolder(data).pepper()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = ["services", "edge-0", "--services", "serving"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *[*words, "--listen-fd", str(listener.fileno())],
            env=stack_environment(tmp_path),
            pass_fds=[listener.fileno()],
            stdout=asyncio.subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models"
        async with (
            aiohttp.ClientSession(headers={"x-api-key": TOKEN}) as session,
            session.get(url, timeout=aiohttp.ClientTimeout(60)) as reply,
        ):
            status = reply.status
        process.send_signal(signal.SIGTERM)

        assert (status, await process.wait()) == (200, 0)
