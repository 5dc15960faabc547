"""An edge worker of serving as a process of its own: `python -m tests.serving_member FOLDER NAME UPSTREAM KEY LIMITS STATE`.

Workers of one folder share what is in it, or the server at the URL STATE, unless that is empty; each has an outbox of its
own, by its name. LIMITS are those of the key, as JSON.
It says "ready", and then its URL.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from services.serving.app import build
from services.serving.settings import Settings
from shared.clock import SystemClock
from shared.config import Config
from shared.lifecycle import ClickHouseAddress, Host, Running
from shared.live import LiveView, hash_secret, split_key
from shared.log.outbox import SqliteOutbox
from shared.logs import log_to
from shared.server import http_app
from tests.gateway import PEPPER, one_upstream, tell
from tests.upstream import served

STOP_SECONDS = 10.0


async def main(folder: str, name: str, upstream: str, key: str, limits: str, state: str) -> None:
    log_to(Path(folder) / f"{name}.log")  # what it says on standard output is for the test
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock, wiring = SystemClock(), one_upstream(upstream)
    async with SqliteOutbox(Path(folder) / "log" / f"{name}.db", clock) as outbox:
        host = Host(
            data=Path(folder),
            config=Config(secrets=wiring.secrets),
            clock=clock,
            outbox=outbox,
            live=_live(key, json.loads(limits), upstream),
            clickhouse=ClickHouseAddress("", "", ""),
            group=_nothing,
        )
        app = build(Settings(state_url=state, state_timeout_seconds=5), host)
        running = Running([app])
        await running.start()
        async with served(http_app(app.routes, lambda: True)) as urls:
            sys.stdout.write(f"ready\n{urls[0]}\n")
            sys.stdout.flush()
            await stop.wait()
        await running.stop(STOP_SECONDS)


def _live(key: str, limits: dict[str, int], upstream: str) -> LiveView:
    live, wiring = LiveView(PEPPER), one_upstream(upstream)
    key_id, secret = split_key(key)
    body = {
        "tenant": "acme",
        "project": "default",
        "environment": "production",
        "scopes": ["serve"],
        "secret_hash": hash_secret(PEPPER, secret),
        "policy": {"limits": limits},
    }
    tell(live, "tenant", "acme", {"content": "full"})
    tell(live, "key", key_id, body)
    for name, provider in wiring.providers.items():
        tell(live, "provider", name, provider)
    for name, model in wiring.models.items():
        tell(live, "model", name, model)
    return live


def _nothing(*_: object) -> Any:
    raise AssertionError("serving consumes nothing")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
