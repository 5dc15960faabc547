"""The processes of this machine, by what each tells on its operations port."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place

ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it says it is: whether it is ready, and the sums of its numbers by name."""

    name: str
    ready: bool
    numbers: Mapping[str, float]


async def processes(place: Place) -> AsyncIterator[Finding]:
    """Whether each is ready, has lost nothing, and knows what is live."""
    targets = _targets(place)
    for finding in _absent(place, place.missing(targets)):
        yield finding
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        for name, address in sorted(targets.items()):
            try:
                process = await _asked(http, name, address)
            except (aiohttp.ClientError, TimeoutError):
                yield fail("processes", f"{name} does not answer on {address}: was it killed?")
            else:
                for finding in _looked_at(process):
                    yield finding


def _absent(place: Place, missing: Sequence[str]) -> list[Finding]:
    """Those that do not run on this machine: with Kafka they may well run elsewhere."""
    if not missing or place.prometheus_url:
        return []
    told = f"Not running here: {', '.join(missing)}."
    if place.installation.kafka:
        hint = "With --prometheus, or LEEWAY_PROMETHEUS_URL, they are looked at elsewhere."
        return [warn("processes", f"{told} {hint}")]
    return [fail("processes", f"{told} `leeway up` starts all.")]


def _looked_at(process: Process) -> list[Finding]:
    name, numbers = process.name, process.numbers
    faults = []
    if not process.ready:
        faults.append(fail("processes", f"{name} is not ready: its log says what it waits for."))
    if numbers.get("leeway_consumer_halted"):
        faults.append(
            fail(
                "processes",
                f"{name} gave up on too many records in a row and stopped: see its log.",
            )
        )
    if lost := numbers.get("leeway_fact_gaps_total"):
        faults.append(
            fail(
                "processes",
                f"{name} misses {lost:.0f} facts: `leeway doctor accounting` tells which.",
            )
        )
    if numbers.get("leeway_live_stale_since_seconds"):
        faults.append(
            warn("registry", f"{name} does not reach the registry and may be out of date.")
        )
    return faults or [ok("processes", f"{name} is ready.")]


async def _asked(http: aiohttp.ClientSession, name: str, address: str) -> Process:
    async with http.get(f"http://{address}/readyz") as ready:
        is_ready = ready.status == 200
    async with http.get(f"http://{address}/metrics") as told:
        text = await told.text()
    sums = Counter[str]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value  # type: ignore[assignment] # a Counter counts floats too
    return Process(name, is_ready, sums)


def _targets(place: Place) -> dict[str, str]:
    """The address of each process that says it lives."""
    found = {}
    for folder in place.folders:
        for file in folder.glob("operations/*.json"):
            [group] = json.loads(file.read_text())
            found[group["labels"]["process"]] = group["targets"][0]
    return found
