"""What is counted of requests, and where each process tells it."""

import json
from pathlib import Path

import aiohttp
import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.operations import OperationsPort
from services.warehouse.endpoint.service import SqlInterface
from services.warehouse.engine import Engine, EngineLimits
from services.warehouse.users import Users
from shared.errors import Invalid
from shared.server import http_app


async def _fine(request: Request) -> Response:
    if "wrong" in request.query_params:
        raise Invalid("No.")
    if "broken" in request.query_params:
        raise ZeroDivisionError
    return Response(b"fine")


def a_client(routes: list[Route]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(http_app(routes, lambda: True), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://leeway")


def counted(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("leeway_http_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("GET /counted/a", ("/counted/{name}", "GET", "2xx")),
        ("GET /counted/b?wrong", ("/counted/{name}", "GET", "4xx")),
        ("GET /counted/c?broken", ("/counted/{name}", "GET", "5xx")),
        ("DELETE /counted/d", ("/counted/{name}", "DELETE", "4xx")),
        ("BREW /counted/e", ("/counted/{name}", "other", "4xx")),
        ("GET /nowhere/secret", ("unmatched", "GET", "4xx")),
        ("GET /healthz", ("/healthz", "GET", "2xx")),
        ("GET /readyz", ("/readyz", "GET", "2xx")),
    ],
)
async def test_a_request_is_counted_by_its_template_method_and_class(
    line: str, labels: tuple[str, str, str]
) -> None:
    method, url = line.split()
    before = counted(*labels)

    async with a_client([Route("/counted/{name}", _fine, methods=["GET"])]) as client:
        await client.request(method, url)

    assert counted(*labels) - before == 1


async def test_no_path_that_a_client_wrote_becomes_a_label() -> None:
    async with a_client([Route("/counted/{name}", _fine)]) as client:
        await client.get("/counted/canary")
        await client.get("/canary")

    labels = [sample.labels for metric in REGISTRY.collect() for sample in metric.samples]
    assert "canary" not in json.dumps(labels)


async def test_the_time_of_a_request_is_counted_by_its_template() -> None:
    labels = {"route": "/timed", "method": "GET"}
    before = REGISTRY.get_sample_value("leeway_http_request_seconds_count", labels) or 0.0

    async with a_client([Route("/timed", _fine)]) as client:
        await client.get("/timed")

    after = REGISTRY.get_sample_value("leeway_http_request_seconds_count", labels)
    assert (after or 0.0) - before == 1


async def test_questions_in_sql_are_counted(tmp_path: Path) -> None:
    before = counted("/query", "POST", "4xx")
    async with Engine(tmp_path / "store", EngineLimits(1, 1)) as engine:
        app = SqlInterface(engine, Users("operator", "secret", dict, dict)).app()
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://sql") as client:
            assert (await client.post("/query", content=b"SELECT 1")).status_code == 401

    assert counted("/query", "POST", "4xx") - before == 1


async def test_a_process_tells_where_its_numbers_are_as_long_as_it_lives(tmp_path: Path) -> None:
    file = tmp_path / "edge-1.json"
    async with (
        OperationsPort("edge-1", tmp_path, ("127.0.0.1", 0), lambda: False),
        aiohttp.ClientSession() as http,
    ):
        [group] = json.loads(file.read_text())
        url = f"http://{group['targets'][0]}"
        async with http.get(f"{url}/metrics") as metrics, http.get(f"{url}/readyz") as ready:
            text = await metrics.text()
            assert (metrics.status, ready.status) == (200, 503)

    assert group["labels"] == {"process": "edge-1"}
    assert "leeway_http_requests_total" in text
    assert not file.exists()


async def test_the_public_port_tells_no_numbers() -> None:
    async with a_client([]) as client:
        response = await client.get("/metrics")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
