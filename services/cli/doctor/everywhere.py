"""Every process of the installation, wherever it runs, by what Prometheus knows of them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from shared.errors import Unavailable

CHECK = "everywhere"
ANSWER_SECONDS = 5.0

_UP = 'up{job="leeway"}'


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its value now."""

    labels: Mapping[str, str]
    value: float

    @property
    def process(self) -> str:
        """What kind of process it is of, or which."""
        return self.labels.get("process", "")

    @property
    def where(self) -> str:
        """Who that is, and where."""
        at = self.labels.get("pod") or self.labels.get("instance", "nowhere")
        return f"{self.process or 'a process'} at {at}"


@dataclass(frozen=True, slots=True)
class Question:
    """A query whose every series is a fault, and the fault's sentence, in which labels have a place."""

    query: str
    sentence: str
    finding: Callable[[str, str], Finding] = fail

    def found(self, series: Series) -> Finding:
        """The fault that the series is."""
        words = {"group": "?", "producer": "?", **series.labels}
        told = self.sentence.format(value=f"{series.value:.0f}", **words)
        return self.finding(CHECK, f"{series.where}: {told}")


_QUESTIONS = (
    Question(
        "leeway_consumer_halted > 0",
        "the group {group} gave up on too many records in a row and stopped.",
    ),
    # The counter of a process that was replaced since then still counts.
    Question(
        "max_over_time(leeway_fact_gaps_total[1d]) > 0",
        "the group {group} missed {value} facts within a day: `leeway doctor accounting` tells which.",
    ),
    Question("leeway_outbox_damaged > 0", "the outbox of {producer} is damaged."),
    Question(
        "leeway_live_stale_since_seconds > 0",
        "does not reach the registry and may be out of date.",
        warn,
    ),
    Question(
        "leeway_live_refused > 0",
        "cannot read {value} entities of the registry: update it.",
        warn,
    ),
)


async def everywhere(
    place: Place, *, answer_seconds: float = ANSWER_SECONDS
) -> AsyncIterator[Finding]:
    """Who is down, has stopped, lost facts or is out of date; nothing where there is no Prometheus to ask."""
    if not place.prometheus_url:
        return
    timeout = aiohttp.ClientTimeout(total=answer_seconds)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        prometheus = Prometheus(http, place.prometheus_url)
        try:
            processes = await prometheus.ask(_UP)
            faults = [*_absent(place, processes), *_down(processes)]
            for question in _QUESTIONS:
                faults += [question.found(each) for each in await prometheus.ask(question.query)]
        except Unavailable as error:
            yield fail(CHECK, error.message)
            return
    well = f"Prometheus sees {len(processes)} processes, and finds no fault in them."
    for finding in faults or [ok(CHECK, well)]:
        yield finding


class Prometheus:
    """The HTTP API of a Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def ask(self, query: str) -> Sequence[Series]:
        """The series of an instant query. Raises `Unavailable`."""
        url = f"{self._url.rstrip('/')}/api/v1/query"
        try:
            async with self._http.get(url, params={"query": query}) as response:
                response.raise_for_status()
                return _series(await response.json())
        except (aiohttp.ClientResponseError, KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"{self._url} does not answer as Prometheus does.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"Prometheus at {self._url} does not answer.") from error


def _series(answer: Any) -> Sequence[Series]:
    return [Series(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


def _absent(place: Place, processes: Sequence[Series]) -> Sequence[Finding]:
    missing = place.missing(one.process for one in processes)
    return [fail(CHECK, f"Prometheus sees no process of: {', '.join(missing)}.")] if missing else []


def _down(processes: Sequence[Series]) -> Sequence[Finding]:
    down = [one for one in processes if one.value == 0]
    return [fail(CHECK, f"{one.where}: does not answer: was it killed?") for one in down]
