"""docs/api.md names every route, field, header, attribute and error code that there is, and none that is not."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.routing import BaseRoute, Route

from services.feedback.domain import MAX_POSITION, MAX_RANKED, read_feedback
from services.feedback.domain import MAX_TEXT as MAX_FEEDBACK_TEXT
from services.feedback.settings import Settings as FeedbackSettings
from services.ingest.domain.interactions import MAX_DIMENSIONS, MAX_ERROR, read_interaction
from services.ingest.domain.spans import MAX_ATTRIBUTES, MAX_EVENTS, MAX_MESSAGE, read_span
from services.ingest.inflate import MAX_RATIO
from services.ingest.settings import Settings as IngestSettings
from services.openapi import description_route
from services.registry.requests import MAX_BODY_BYTES as REGISTRY_BODY_BYTES
from services.registry.requests import (
    EnvironmentBody,
    KeyBody,
    ListQuery,
    ProjectBody,
    RotateBody,
    StopBody,
    TenantBody,
)
from services.serving.domain.context import context_of, timeout_of
from services.serving.settings import Settings as ServingSettings
from shared.arrival import Arrival
from shared.batches import MAX_FACT_BYTES, MAX_ITEMS
from shared.errors import Conflict, LeewayError, NotFound, Unavailable
from shared.fields import MAX_DEPTH, MAX_NAME, MAX_TAGS, MAX_TEXT, Fields
from shared.ids import new_id
from shared.server import http_app
from tests.builders import NOW
from tests.hosting import Hosting
from tests.sources import ROOT, SERVICES

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))
# Objects whose own fields are their sender's, or are told in the row of the object.
OPAQUE = ("usage.", "input.", "output.")
KIB, MIB = 1024, 1024 * 1024
ARRIVAL, SERVING = Arrival(), ServingSettings.model_construct()
INGEST, FEEDBACK = IngestSettings.model_construct(), FeedbackSettings.model_construct()
HTTP_ROOMS = ("serving", "ingest", "feedback", "registry")


class Asked(dict[str, Any]):
    """A JSON object in which every field is such an object: it notes what its readers ask for."""

    def __init__(self, names: set[str], path: str = "") -> None:
        super().__init__({"": ""})
        self._names = names
        self._path = path

    def get(self, name: str, default: object = None) -> Any:
        del default
        self._names.add(self._path + name)
        return Asked(self._names, f"{self._path}{name}.")


class Told(dict[str, str]):
    """Pairs of strings of which there are none: it notes what its readers ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def column(section: str, number: int = 1) -> set[str]:
    """What stands as code in a column of a section's tables, below their headings."""
    tables = re.findall(r"^\|[-|]+\|\n((?:\|.*\|\n)+)", SECTIONS[section], re.MULTILINE)
    rows = (row for table in tables for row in table.splitlines())
    cells = (row.split("|")[number] for row in rows)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def fields(section: str) -> set[str]:
    """The fields of a section's table, with those of the objects in them."""
    inner = re.findall(r"`([a-z]+\.[a-z]+)`", SECTIONS[section])
    return column(section) | set(inner)


def mounted(of: Sequence[BaseRoute]) -> Iterator[str]:
    for route in of:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            yield f"{method} {route.path_format}"


def test_every_route_has_a_section_and_every_section_a_route(tmp_path: Path) -> None:
    hosting = Hosting(tmp_path)
    built = [route for name in SERVICES for route in hosting.build(name).routes]

    told = {heading.strip("`") for heading in SECTIONS if heading.startswith("`")}

    own = [*http_app([], lambda: True).routes, description_route(built)]
    assert told == {*mounted(built), *mounted(own)}


@pytest.mark.parametrize(
    ("section", "read"),
    [
        (
            "`POST /v1/interactions`",
            lambda item: read_interaction(item, fresh_id=new_id(), now=NOW),
        ),
        ("`POST /v1/spans`", lambda item: read_span(item, now=NOW)),
        ("`POST /v1/feedback`", lambda item: read_feedback(item, fresh_id=new_id(), now=NOW)),
    ],
)
def test_every_field_that_a_reader_asks_for_is_told(
    section: str, read: Callable[[Fields], object]
) -> None:
    names: set[str] = set()

    read(Fields(Asked(names)))

    assert fields(section) == {name for name in names if not name.startswith(OPAQUE)}


@pytest.mark.parametrize(
    ("section", "body"),
    [
        ("`POST /v1/registry/tenants`", TenantBody),
        ("`POST /v1/registry/projects`", ProjectBody),
        ("`POST /v1/registry/environments`", EnvironmentBody),
        ("`POST /v1/registry/keys`", KeyBody),
        ("`POST /v1/registry/keys/{key_id}/rotate`", RotateBody),
        ("`POST /v1/registry/stops`", StopBody),
    ],
)
def test_every_field_of_the_registry_is_told(section: str, body: type[BaseModel]) -> None:
    assert column(section) == set(body.model_fields)


def test_every_word_of_a_lists_query_is_told() -> None:
    told = re.findall(r"`\?(\w+)=`", SECTIONS["The registry"])

    assert set(told) == set(ListQuery.model_fields)


def test_every_header_and_key_that_places_a_call_is_told() -> None:
    headers, metadata = Told(), Told()

    context_of(headers, metadata, "0" * 16)
    timeout_of(headers)

    assert column("Headers of a request") == headers.names
    assert column("Headers of a request", 2) == metadata.names - {""}


def test_every_attribute_of_a_span_that_is_told_is_read() -> None:
    read = "".join(
        file.read_text(encoding="utf-8") for file in ROOT.glob("services/ingest/**/*.py")
    )

    told = {name for name in column("`POST /v1/traces`", 2) if "." in name}

    assert {name for name in told if f'"{name}"' not in read} == set()
    assert len(told) > 40


def test_every_code_of_an_error_is_told() -> None:
    files = [
        *(file for room in HTTP_ROOMS for file in (ROOT / "services" / room).rglob("*.py")),
        *(ROOT / "shared" / f"{name}.py" for name in ("http", "batches", "server", "arrival")),
    ]
    text = "".join(file.read_text(encoding="utf-8") for file in files)

    written = {*re.findall(r'code="(\w+)"', text), *re.findall(r'\d{3}: \("(\w+)",', text)}
    named = {kind.__name__.lower() for kind in (Conflict, NotFound, Unavailable, LeewayError)}
    arrival = {"invalid_http", "headers_too_large", "headers_timeout", "body_timeout"}

    denied = {"denied", "invalid_api_key", "invalid_request"}
    assert column("Errors") == written | named | arrival | denied


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("Limits", f"{ARRIVAL.max_header_bytes // KIB} KiB, within {ARRIVAL.header_seconds:g} s"),
        ("Limits", f"{SERVING.max_body_bytes // MIB} MiB (the registry's: "),
        ("Limits", f"{INGEST.max_body_bytes // MIB} MiB (the registry's: "),
        ("Limits", f"{FEEDBACK.max_body_bytes // MIB} MiB (the registry's: "),
        ("Limits", f"(the registry's: {REGISTRY_BODY_BYTES // KIB} KiB)"),
        ("Limits", f"KiB), within {ARRIVAL.body_seconds:g} seconds"),
        ("Limits", f"{INGEST.max_inflated_bytes // MIB} MiB inflated, and {MAX_RATIO} times"),
        ("Limits", f"| {MAX_ITEMS:,}, of {MAX_FACT_BYTES // MIB} MiB each"),
        ("Limits", f"| {MAX_DEPTH} levels"),
        ("Limits", f"| {SERVING.client_idle_seconds:g} seconds"),
        ("Limits", f"| {SERVING.upstream_connect_seconds:g} seconds to connect"),
        ("Limits", f"{SERVING.upstream_idle_seconds:g} between two pieces"),
        ("Limits", f"{SERVING.upstream_total_seconds:,.0f} in all"),
        ("Verdicts", f"batches of up to {MAX_ITEMS:,} items"),
        ("Verdicts", f"a string of at most {MAX_NAME} characters"),
        ("Verdicts", f"at most {MAX_DEPTH} levels and, like messages, {MAX_TEXT:,} characters"),
        ("Verdicts", f"at most {MAX_TAGS} names"),
        ("`POST /v1/interactions`", f"`error.message` (at most {MAX_ERROR:,} characters)"),
        ("`POST /v1/interactions`", f"list of at most {MAX_DIMENSIONS:,} numbers"),
        ("`POST /v1/spans`", f"object | at most {MAX_ATTRIBUTES}"),
        ("`POST /v1/spans`", f"list of objects | at most {MAX_EVENTS}"),
        ("`POST /v1/spans`", f"string | at most {MAX_MESSAGE:,} characters"),
        ("`POST /v1/feedback`", f"string | at most {MAX_FEEDBACK_TEXT:,} characters"),
        ("`POST /v1/feedback`", f"list of 2 to {MAX_RANKED} ids"),
        ("`POST /v1/feedback`", f"0 to {MAX_POSITION:,} | where each was shown"),
    ],
)
def test_a_limit_is_told(section: str, sentence: str) -> None:
    assert sentence in SECTIONS[section]


def test_every_link_leads_to_a_heading() -> None:
    for file, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", PAGE):
        text = (ROOT / "docs" / file).read_text(encoding="utf-8") if file else PAGE
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}, f"{file}#{anchor}"


def slug(heading: str) -> str:
    """The anchor that a heading has."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
