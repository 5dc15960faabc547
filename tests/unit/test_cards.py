"""Each service's card equals what the service is: its topics, tables, routes and settings, tested and not trusted."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import MetaData
from starlette.routing import Route

from services.placement import EMBEDDED
from services.warehouse.store import FACT_TABLES
from shared.settings import ServiceSettings
from shared.topics import ALL, BY_NAME, REGISTRY_CHANGED
from tests.hosting import Hosting
from tests.sources import ROOT, SERVICES

LINES = ["In", "Out", "Owns", "Answers", "Once", "Settings"]
MIGRATIONS = sorted((ROOT / "infra/clickhouse/migrations").glob("*.sql"))
CONTROL_TABLES: Mapping[str, MetaData] = {
    name: import_module(f"services.{name}.tables").METADATA for name in ("registry", "alerting")
}

every_service = pytest.mark.parametrize("name", SERVICES)


def test_every_service_is_placed_in_a_process() -> None:
    assert {name for placed in EMBEDDED.values() for name in placed} == set(SERVICES)


@every_service
def test_a_card_has_the_same_lines_in_the_same_order(name: str) -> None:
    title = (import_module(f"services.{name}").__doc__ or "").splitlines()[0]

    assert re.fullmatch(rf"{name.capitalize()}: .+\.", title)
    assert list(card(name)) == LINES


@every_service
def test_a_card_consumes_and_produces_what_the_registry_of_topics_says(name: str) -> None:
    assert topics_in(card(name)["In"]) == {t.name for t in ALL if name in t.consumers}
    assert topics_in(card(name)["Out"]) == {t.name for t in ALL if name in t.producers}


@every_service
def test_a_service_asks_the_log_for_the_topics_that_it_is_said_to_consume(
    name: str, tmp_path: Path
) -> None:
    hosting = Hosting(tmp_path)
    hosting.build(name)

    asked = {topic.name for group in hosting.asked for topic in group.topics}
    assert {group.group for group in hosting.asked} <= {name}
    # The registry's facts reach every process by its live view, which the services of the edge read.
    assert asked == {t.name for t in ALL if name in t.consumers} - {REGISTRY_CHANGED.name}


@every_service
def test_a_card_owns_the_tables_whose_migrations_name_it(name: str) -> None:
    every_table = {table for service in SERVICES for table in tables_of(service)}

    named = set(re.findall(r"[a-z_]+", card(name)["Owns"])) & every_table

    assert named == tables_of(name)


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_names_its_owner_twice(path: Path) -> None:
    owner = path.name.split("_")[1]

    assert owner in SERVICES
    assert path.read_text().splitlines()[1] == f"-- Owner: {owner}"


def test_the_store_has_a_table_for_each_topic_that_it_consumes() -> None:
    consumed = {topic.name for topic in ALL if "warehouse" in topic.consumers}

    assert {table.topic.name for table in FACT_TABLES} == consumed
    assert {table.name for table in FACT_TABLES} == tables_of("warehouse") - {"stored"}


@every_service
def test_every_route_stands_on_the_card(name: str, tmp_path: Path) -> None:
    app = Hosting(tmp_path).build(name)
    named = tuple(re.findall(r"/v1/[\w/]+", card(name)["In"]))

    paths = [route.path for route in app.routes if isinstance(route, Route)]

    assert [path for path in paths if not path.startswith(named)] == []
    assert [start for start in named if not any(path.startswith(start) for path in paths)] == []


@every_service
def test_a_card_names_the_prefix_of_the_settings(name: str) -> None:
    settings: type[ServiceSettings] = import_module(f"services.{name}.settings").Settings

    assert card(name)["Settings"] == settings.model_config.get("env_prefix")
    assert card(name)["Settings"] == f"LEEWAY_{name.upper()}_"


def card(name: str) -> dict[str, str]:
    """The lines of a service's card behind its title, each with what continues it."""
    text = import_module(f"services.{name}").__doc__ or ""
    lines = re.findall(r"^(\w+) +(.+(?:\n +.+)*)", text.partition("\n")[2], re.MULTILINE)
    return {key: re.sub(r"\n +", " ", line) for key, line in lines}


def topics_in(line: str) -> set[str]:
    """The topics that a card's line names; "every fact but" names all others."""
    named = {word for word in re.findall(r"[\w.]+\.v\d+", line) if word in BY_NAME}
    return set(BY_NAME) - named if line.startswith("every fact but") else named


def tables_of(name: str) -> set[str]:
    """The tables that a service owns, in ClickHouse and in the control database."""
    in_clickhouse = {
        table
        for path in MIGRATIONS
        if path.name.split("_")[1] == name
        for table in re.findall(
            r"^CREATE TABLE IF NOT EXISTS leeway\.(\w+)", path.read_text(), re.MULTILINE
        )
    }
    control = CONTROL_TABLES[name].tables if name in CONTROL_TABLES else ()
    return in_clickhouse | set(control)
