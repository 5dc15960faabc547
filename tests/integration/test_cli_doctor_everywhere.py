"""`leeway doctor` with a Prometheus: what it says of processes that run elsewhere, and of a Prometheus that does not answer."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from services.cli.doctor.everywhere import everywhere
from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from services.cli.doctor.processes import processes
from services.placement import CLUSTER
from services.settings import Installation
from tests.promql import faults
from tests.servers import LoopbackServer

Series = tuple[Mapping[str, str], float]  # its labels, and its value

ALL_UP: list[Series] = [
    ({"process": name, "instance": "10.0.0.1:9464", "pod": f"{name}-0"}, 1.0) for name in CLUSTER
]


class APrometheus:
    """Answers a query with the series of the metric that it names."""

    def __init__(self, **series: list[Series]) -> None:
        self._series = {"up": ALL_UP} | series
        self.queries: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = request.query["query"]
        self.queries.append(query)
        found = next((rows for name, rows in self._series.items() if name in query), [])
        result = [{"metric": labels, "value": [0, str(value)]} for labels, value in found]
        return web.json_response({"status": "success", "data": {"result": result}})


def a_place(data: Path, url: str) -> Place:
    return Place(Installation(data=data, kafka="kafka:9092"), prometheus=url)


async def told(data: Path, prometheus: APrometheus) -> list[Finding]:
    async with LoopbackServer(prometheus.answer) as server:
        return [finding async for finding in everywhere(a_place(data, server.url("/")))]


async def test_without_a_prometheus_nobody_is_asked(tmp_path: Path) -> None:
    assert [finding async for finding in everywhere(a_place(tmp_path, ""))] == []


async def test_an_installation_that_is_well_is_one_line(tmp_path: Path) -> None:
    prometheus = APrometheus()

    assert await told(tmp_path, prometheus) == [
        ok("everywhere", "Prometheus sees 7 processes, and finds no fault in them.")
    ]
    assert [faults(query) for query in prometheus.queries] == [[] for _ in prometheus.queries]


@pytest.mark.parametrize(
    ("metric", "labels", "value", "expected"),
    [
        (
            "leeway_consumer_halted",
            {"group": "billing"},
            1,
            fail(
                "everywhere",
                "billing at billing-1: the group billing gave up on too many records in a row and stopped.",
            ),
        ),
        (
            "leeway_fact_gaps_total",
            {"group": "drift"},
            3,
            fail(
                "everywhere",
                "billing at billing-1: the group drift missed 3 facts within a day:"
                " `leeway doctor accounting` tells which.",
            ),
        ),
        (
            "leeway_live_stale_since_seconds",
            {},
            1764000000,
            warn(
                "everywhere",
                "billing at billing-1: does not reach the registry and may be out of date.",
            ),
        ),
        (
            "leeway_live_refused",
            {},
            2,
            warn(
                "everywhere",
                "billing at billing-1: cannot read 2 entities of the registry: update it.",
            ),
        ),
        (
            "leeway_outbox_damaged",
            {"producer": "edge-0"},
            1,
            fail("everywhere", "billing at billing-1: the outbox of edge-0 is damaged."),
        ),
    ],
)
async def test_what_is_wrong_with_a_process_elsewhere_is_told(
    tmp_path: Path, metric: str, labels: Mapping[str, str], value: float, expected: Finding
) -> None:
    where = {"process": "billing", "pod": "billing-1", "instance": "10.0.0.2:9464"}
    series: list[Series] = [({**where, **labels}, value)]

    assert await told(tmp_path, APrometheus(**{metric: series})) == [expected]


async def test_who_is_down_and_who_is_not_there_at_all_are_told(tmp_path: Path) -> None:
    up = [
        (labels, 0.0 if labels["process"] == "drift" else 1.0)
        for labels, _ in ALL_UP
        if labels["process"] != "alerting"
    ]

    assert await told(tmp_path, APrometheus(up=up)) == [
        fail("everywhere", "Prometheus sees no process of: alerting."),
        fail("everywhere", "drift at drift-0: does not answer: was it killed?"),
    ]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "not here"),
        (200, "<html>"),
        (200, '{"status": "error", "error": "no"}'),
        (200, '{"status": "success", "data": []}'),
    ],
)
async def test_what_is_no_prometheus_is_said_so(tmp_path: Path, status: int, body: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body)

    async with LoopbackServer(answer) as server:
        url = server.url("")
        found = [finding async for finding in everywhere(a_place(tmp_path, url))]

    assert found == [fail("everywhere", f"{url} does not answer as Prometheus does.")]


async def test_a_prometheus_that_is_away_or_silent_is_said_so(tmp_path: Path) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    async with LoopbackServer(never) as server:
        place = a_place(tmp_path, server.url(""))
        silent = [finding async for finding in everywhere(place, answer_seconds=0.05)]
        url = server.url("")
    away = [finding async for finding in everywhere(a_place(tmp_path, url))]

    assert silent == [fail("everywhere", f"Prometheus at {url} does not answer.")]
    assert away == silent


async def test_those_that_do_not_run_here_are_asked_of_prometheus_or_it_is_named(
    tmp_path: Path,
) -> None:
    alone = [finding async for finding in processes(a_place(tmp_path, ""))]
    asked = [finding async for finding in processes(a_place(tmp_path, "http://prometheus:9090"))]

    assert alone == [
        warn(
            "processes",
            f"Not running here: {', '.join(CLUSTER)}."
            " With --prometheus, or LEEWAY_PROMETHEUS_URL, they are looked at elsewhere.",
        )
    ]
    assert asked == []
