"""What a process refuses only while it is put together: it ends with a sentence, and no traceback."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOWHERE = "127.0.0.1:9"
PATIENCE_SECONDS = 60
CLUSTER = {
    "LEEWAY_KAFKA": NOWHERE,
    "LEEWAY_REGISTRY_ADDRESS": NOWHERE,
    "LEEWAY_CLICKHOUSE_URL": f"http://{NOWHERE}",
}
OPEN_DOOR = {
    "LEEWAY_PEPPER": "5a" * 32,
    "LEEWAY_REGISTRY_GRPC_HOST": "0.0.0.0",
    "LEEWAY_REGISTRY_GRPC_PORT": "9",
}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"LEEWAY_KAFKA": NOWHERE}, "leeway: A cluster needs LEEWAY_KAFKA, "),
        (CLUSTER | OPEN_DOOR, "leeway: gRPC between services on 0.0.0.0 needs certificates: "),
    ],
    ids=["half a cluster", "an open door"],
)
async def test_a_start_that_is_refused_ends_in_a_sentence(
    given: Mapping[str, str], sentence: str, tmp_path: Path
) -> None:
    inherited = {name: value for name, value in os.environ.items() if "LEEWAY" not in name}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.registry"),
        env={**inherited, "LEEWAY_DATA": str(tmp_path), **given},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 1
    assert said.decode().startswith(sentence)
    assert said.decode().count("\n") == 1
