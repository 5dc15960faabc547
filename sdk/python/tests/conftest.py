"""What most tests need: a stub server, and a client of it that is quick and keeps its own spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sdk_stub import QUICK, MakeClient, Stub, serving

import leeway


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as server:
        yield server


@pytest.fixture
def make_client(stub: Stub, tmp_path: Path) -> Iterator[MakeClient]:
    made: list[leeway.Client] = []

    def make(**options: Any) -> leeway.Client:
        told = {
            "api_key": "lk_test",
            "base_url": stub.url,
            "spool_dir": tmp_path / "spool",
            "limits": QUICK,
            **options,
        }
        made.append(leeway.Client(leeway.Options(**told)))
        return made[-1]

    yield make
    for client in made:
        client.shutdown(0.5)


@pytest.fixture
def client(make_client: MakeClient) -> leeway.Client:
    return make_client()
