"""The README's picture and table say what the registry of topics says: it can be drawn from there alone."""

import re

from services.warehouse.store import FACT_TABLES
from shared.topics import ALL, REGISTRY_CHANGED
from tests.sources import ROOT, SERVICES

README = (ROOT / "README.md").read_text(encoding="utf-8")

# A service that tells (or, left out, the one of the row above), the fact, and who follows it.
ROW = re.compile(
    r"^.*?(?:(?P<teller>[a-z]+) ─+▶ )?(?P<fact>[a-z.]+\.v\d+) ─+▶ (?P<followers>.+)$", re.MULTILINE
)


def test_the_picture_draws_every_arrow_and_no_other() -> None:
    told: set[tuple[str, str]] = set()
    followed: set[tuple[str, str]] = set()
    teller = ""
    for row in ROW.finditer(README):
        teller = row["teller"] or teller
        told.add((teller, row["fact"]))
        followed |= {(row["fact"], follower) for follower in row["followers"].split(", ")}

    assert told == {(teller, topic.name) for topic in ALL for teller in topic.producers}
    assert followed == {(topic.name, name) for topic in ALL for name in topic.consumers}


def test_the_table_has_a_row_for_each_service() -> None:
    assert sorted(rows()) == sorted(SERVICES)


def test_the_table_says_what_each_service_tells() -> None:
    told = {name: set(re.findall(r"`([\w.]+)`", out)) for name, (_, out) in rows().items()}

    assert told == {
        name: {topic.name for topic in ALL if name in topic.producers} for name in SERVICES
    }


def test_the_table_says_what_each_service_follows_by_the_names_of_their_tables() -> None:
    plural = {table.topic: table.name for table in FACT_TABLES}
    facts = set(plural.values())

    followed = {
        name: facts if "every fact" in into else facts & set(re.findall(r"\w+", into))
        for name, (into, _) in rows().items()
    }

    # What may run reaches every service by its process's live view; the picture shows who reads it.
    topics = [topic for topic in ALL if topic is not REGISTRY_CHANGED]
    assert followed == {
        name: {plural[topic] for topic in topics if name in topic.consumers} for name in SERVICES
    }


def rows() -> dict[str, tuple[str, str]]:
    """The columns `in` and `out` of the table, by service."""
    found = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", README, re.MULTILINE)
    return {name: (into, out) for name, into, out in found}
