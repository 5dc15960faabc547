"""Claim: a replay of a real hour of calls is stored exactly once, with its token counts and its exact cost.

With `--kill N` that holds although each process (with `--cluster`: each of its seven, over Kafka) is killed
(`kill -9`) N times in the middle of it, and with `--kill-broker M` Kafka itself M times; the calls are replayed
again from the first until the last of them is back.
Data: the Azure LLM inference trace 2023 (TIMESTAMP, ContextTokens, GeneratedTokens; CC-BY 4.0); without it
`--limit` calls with random token counts, at random moments of `--seconds`.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.replay.books import Books, Login, Verdict, audit
from benchmarks.replay.calls import Call, synthetic, trace
from benchmarks.replay.client import Client, Replayed
from benchmarks.replay.kills import BROKER, CLUSTER, EMBEDDED, Gone, Killer, Revived
from shared.secrets_folder import SecretsFolder
from tests.stack import Stack, a_stack


@dataclass(frozen=True, slots=True)
class Outcome:
    """A replay and what became of it. `accounting` is None where the log cannot be read."""

    replayed: Replayed
    seconds: float
    kills: Sequence[Gone]
    verdict: Verdict
    accounting: bool | None


async def replay_and_kill(
    stack: Stack,
    calls: Sequence[Call],
    *,
    kills: Mapping[str, int],
    seed: int = 0,
    broker: Revived | None = None,
) -> Outcome:
    """Replay against a stack of one's own, kill meanwhile, and audit to the raw tables and the log."""
    ready, run = stack.ready, str(time.time_ns())
    killer = Killer(stack.folder / "ready.json", broker)
    start = time.monotonic()
    killing = asyncio.create_task(killer.kill(kills, calls[-1].after, seed))
    client = Client(ready["url"], ready["api_key"], run)
    replayed = await client.replay(calls, enough=lambda: not any(kills.values()) or killing.done())
    seconds, gone = time.monotonic() - start, await killing
    secrets = SecretsFolder(stack.folder / "data")
    operator = Login(ready["sql_url"], secrets.operator_user, secrets.operator_password())
    books = Books(operator, run)
    seen = await books.view(name for name, _ in replayed.accepted)
    code, _ = await stack.leeway("doctor", "accounting", "--json", "--url", ready["sql_url"])
    raw = [await books.copies(table) for table in ("interactions", "usage")]
    return Outcome(replayed, seconds, gone, audit(replayed.accepted, seen, raw), code == 0)


async def replay_elsewhere(calls: Sequence[Call], url: str, key: str, login: Login) -> Outcome:
    """Replay against an installation that runs, and audit what its tenant sees."""
    run, start = str(time.time_ns()), time.monotonic()
    replayed = await Client(url, key, run).replay(calls)
    seconds = time.monotonic() - start
    seen = await Books(login, run).view(name for name, _ in replayed.accepted)
    return Outcome(replayed, seconds, (), audit(replayed.accepted, seen, ()), None)


def report(outcome: Outcome) -> dict[str, object]:
    """The figures, as JSON writes them; `ok` only if every call was accepted in the end."""
    replayed, verdict = outcome.replayed, outcome.verdict
    whole = len(replayed.accepted) == replayed.calls
    return {
        "calls": replayed.calls,
        "accepted": len(replayed.accepted),
        "repeats": replayed.repeats,
        "refused": dict(replayed.refused),
        "stored": verdict.stored,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "wrong": len(verdict.wrong),
        "unacknowledged": dict(verdict.unacknowledged),
        "kills": Counter(gone.victim for gone in outcome.kills),
        "median_recovery_seconds": _median_recoveries(outcome.kills),
        "recovery_p95_seconds": _p95([gone.seconds for gone in outcome.kills]),
        "longest_recovery_seconds": round(max((g.seconds for g in outcome.kills), default=0), 2),
        "accounting": outcome.accounting,
        "cost_usd": str(verdict.cost_usd.normalize()),
        "expected_cost_usd": str(verdict.expected_cost_usd.normalize()),
        "seconds": round(outcome.seconds, 1),
        "calls_per_second": round(replayed.calls / outcome.seconds, 1),
        "ok": whole and verdict.ok and outcome.accounting is not False,
    }


def _median_recoveries(kills: Sequence[Gone]) -> dict[str, float]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for gone in kills:
        seconds[gone.victim].append(gone.seconds)
    return {victim: round(median(each), 2) for victim, each in seconds.items()}


def _p95(seconds: Sequence[float]) -> float:
    """By nearest rank; 0 without any."""
    return round(sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1], 2) if seconds else 0.0


async def measure(options: argparse.Namespace) -> dict[str, object]:
    calls = (
        trace(options.data, options.speedup, options.limit)
        if options.data
        else synthetic(options.limit, options.seconds, options.seed)
    )
    if options.url:
        login = Login(options.sql, options.sql_user, options.sql_password)
        return report(await replay_elsewhere(calls, options.url, options.key, login))
    words, victims = (("--cluster",), CLUSTER) if options.cluster else ((), EMBEDDED)
    kills = dict.fromkeys(victims, options.kill) | {BROKER: options.kill_broker}
    with _folder() as folder, ExitStack() as last:
        async with a_stack(folder, *words) as stack:
            broker = Revived(stack.ready["pids"][BROKER]) if options.kill_broker else None
            if broker is not None:
                last.callback(broker.end)  # the processes drain into it
            outcome = await replay_and_kill(
                stack, calls, kills=kills, seed=options.seed, broker=broker
            )
    return report(outcome)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the cluster's PostgreSQL may enter too, which root runs as another user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the trace's CSV file; else made-up calls")
    parser.add_argument("--speedup", type=float, default=10.0)
    parser.add_argument("--limit", type=int, help="only the first so many calls")
    parser.add_argument("--seconds", type=float, default=300.0, help="that made-up calls last")
    parser.add_argument("--kill", type=int, default=0, help="kills of each kind of process")
    parser.add_argument("--kill-broker", type=int, default=0, help="kills of the cluster's Kafka")
    parser.add_argument("--cluster", action="store_true", help="start a cluster, with Kafka")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--url", help="a running installation's API; else one is started")
    parser.add_argument("--key")
    parser.add_argument("--sql", help="its SQL endpoint")
    parser.add_argument("--sql-user", default="default")
    parser.add_argument("--sql-password", default="")
    options = parser.parse_args()
    if options.url and (options.kill or options.cluster):
        parser.error("--kill and --cluster need an installation of their own: leave out --url.")
    if options.kill_broker and not options.cluster:
        parser.error("--kill-broker needs a broker: add --cluster.")
    if options.data is None and options.limit is None:
        parser.error("Without --data, --limit says how many calls are made up.")
    print(json.dumps(asyncio.run(measure(options))))


if __name__ == "__main__":
    main()
