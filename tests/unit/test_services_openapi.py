"""The OpenAPI document tells of every route that there is, and of none that is not."""

from pathlib import Path

from starlette.routing import Route
from starlette.testclient import TestClient

from services.openapi import OPERATIONS, PATH, description_route, document, names_of
from shared.server import http_app
from tests.hosting import Hosting
from tests.sources import SERVICES


def built(folder: Path) -> list[Route]:
    hosting = Hosting(folder)
    routes = [route for name in SERVICES for route in hosting.build(name).routes]
    return [route for route in routes if isinstance(route, Route)]


def test_every_route_stands_in_the_table_and_every_row_is_a_route(tmp_path: Path) -> None:
    routes = built(tmp_path)
    own = [route for route in http_app([], lambda: True).routes if isinstance(route, Route)]

    named = {name for route in [*routes, *own] for name in names_of(route)}

    assert named | {f"GET {PATH}"} == OPERATIONS.keys()


def test_the_document_tells_what_a_process_answers_and_no_more() -> None:
    async def nothing(_: object) -> None: ...

    route = Route("/v1/moderations", nothing, methods=["POST"])
    app = http_app([description_route([route])], lambda: True)

    told = TestClient(app).get(PATH).json()

    assert told["openapi"] == "3.1.0"
    assert set(told["paths"]) == {"/v1/moderations", "/healthz", "/readyz", PATH}
    asked = told["paths"]["/v1/moderations"]["post"]["requestBody"]["content"]["application/json"]
    assert asked["schema"]["required"] == ["model", "input"]


def test_every_parameter_of_a_path_is_told() -> None:
    told = document(list(OPERATIONS))["paths"]

    missing = [
        path
        for path, methods in told.items()
        for operation in methods.values()
        for part in path.split("/")
        if part.startswith("{")
        and part[1:-1] not in {each["name"] for each in operation["parameters"]}
    ]

    assert missing == []
