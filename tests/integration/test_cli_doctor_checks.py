"""`leeway doctor`: each fault that it is to find, made for real, and the sentence that it is told by."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from typer.testing import CliRunner

from services.cli.doctor.certificates import certificates
from services.cli.doctor.command import app
from services.cli.doctor.control import configuration, database, secrets
from services.cli.doctor.disk import data_folder, outboxes
from services.cli.doctor.findings import Finding, State, fail, ok, verdict, warn
from services.cli.doctor.kafka import kafka
from services.cli.doctor.place import Place
from services.cli.doctor.processes import processes
from services.cli.doctor.sql import endpoint
from services.local.broker import Broker
from services.local.certificates import Validity, make_certificates
from services.operations import OperationsPort
from services.settings import Installation
from shared.clock import SimulatedClock, SystemClock, micros
from shared.database import Database, sqlite_url
from shared.log.kafka.cluster import Cluster
from shared.log.kafka.layout import layouts
from shared.log.outbox import SqliteOutbox
from shared.log.record import DeadLetter, Effect
from shared.secrets_folder import Credentials, SecretsFolder
from tests.builders import NOW, a_record
from tests.kafka import make
from tests.logs import a_fact
from tests.stores import OPERATOR, PASSWORD, a_sink, a_store, interactions, usages

CLOCK = SimulatedClock(NOW)


def a_place(data: Path, url: str = "", **settings: object) -> Place:
    return Place(Installation(data=data, **settings), url)  # type: ignore[arg-type]


def an_edge(
    folder: Path, *, ready: bool, numbers: CollectorRegistry | None = None
) -> OperationsPort:
    """The operations port of an edge, whose numbers are its own and not this test run's."""
    own = numbers or CollectorRegistry()
    return OperationsPort("edge-0", folder, ("127.0.0.1", 0), lambda: ready, numbers=own)


async def found(findings: AsyncIterator[Finding]) -> dict[str, list[Finding]]:
    """What a check found, by its name."""
    by_check: dict[str, list[Finding]] = {}
    async for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    return by_check


def test_a_report_is_as_bad_as_its_worst_finding() -> None:
    assert verdict([ok("a", "."), ok("b", ".")]) == "All 2 checks are well."
    assert verdict([ok("a", "."), warn("b", ".")]) == "It works; 1 of 2 checks want a look."
    assert verdict([fail("a", "."), warn("b", ".")]) == "1 of 2 checks failed."


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    finding = data_folder(tmp_path / "none")

    assert finding.state is State.FAIL
    assert finding.sentence.startswith(f"There is no folder {tmp_path / 'none'}")


async def test_a_damaged_outbox_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log" / "edge-0.db"
    async with SqliteOutbox(path, CLOCK) as outbox:
        await outbox.append([a_fact(1)])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)

    [finding] = [f for f in outboxes(a_place(tmp_path), CLOCK) if f.state is State.FAIL]

    assert finding.sentence.startswith(f"{path} is damaged (")


async def test_what_waits_for_long_is_told_with_the_group_it_waits_for(tmp_path: Path) -> None:
    async with SqliteOutbox(tmp_path / "log" / "edge-0.db", CLOCK) as outbox:
        await outbox.append([a_fact(1), a_fact(2)])
    late = SimulatedClock(NOW + timedelta(minutes=2))

    [finding] = [f for f in outboxes(a_place(tmp_path), late) if f.check == "backlog"]

    assert finding == warn(
        "backlog",
        f"2 records in edge-0.db wait for warehouse since {NOW:%H:%M:%S} UTC: is it running?",
    )


async def test_what_was_given_up_on_is_told(tmp_path: Path) -> None:
    async with SqliteOutbox(tmp_path / "log" / "core.db", CLOCK) as outbox:
        letters = [DeadLetter(a_record(a_fact(1)), "no")]
        await outbox.commit("billing", {}, Effect(dead_letters=letters))

    [finding] = [f for f in outboxes(a_place(tmp_path), CLOCK) if f.check == "dead letters"]

    assert finding.sentence == (
        "billing gave up on 1 of interaction.completed.v1:"
        " `leeway dlq list --group billing` says why."
    )


def test_every_fault_of_the_configuration_is_told(tmp_path: Path) -> None:
    config = tmp_path / "leeway.yaml"
    config.write_text("tenants:\n  - tenant: Acme\n  - name: nobody\n")

    finding = configuration(a_place(tmp_path, config=config))

    assert finding.state is State.FAIL
    assert "leeway.yaml:2" in finding.sentence
    assert "leeway.yaml:3" in finding.sentence


def test_a_lost_pepper_is_told(tmp_path: Path) -> None:
    assert secrets(a_place(tmp_path)).state is State.FAIL

    SecretsFolder(tmp_path).pepper()
    SecretsFolder(tmp_path).operator_password()

    assert secrets(a_place(tmp_path)).state is State.OK


async def test_a_registry_without_a_database_or_a_key_is_told(tmp_path: Path) -> None:
    before = await found(database(a_place(tmp_path), CLOCK))
    async with Database(sqlite_url(tmp_path / "control.db")) as control:
        await control.migrate()

    after = await found(database(a_place(tmp_path), CLOCK))

    assert [f.state for f in before["registry"]] == [State.FAIL]
    assert [f.state for f in after["registry"]] == [State.OK]
    assert [f.sentence for f in after["keys"]] == [
        "No API key opens anything: `leeway keys create` makes one."
    ]


async def test_a_postgresql_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEEWAY_REGISTRY_DATABASE_URL", "postgresql+asyncpg://x@127.0.0.1:1/x")

    [finding] = (await found(database(a_place(tmp_path), CLOCK)))["registry"]

    assert (finding.state, finding.sentence.split(":")[0]) == (State.FAIL, "PostgreSQL")


async def test_a_process_that_is_not_ready_and_one_that_was_killed_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "operations"
    async with an_edge(folder, ready=False):
        for name in ("core", "warehouse"):
            gone = [{"targets": ["127.0.0.1:1"], "labels": {"process": name}}]
            (folder / f"{name}.json").write_text(json.dumps(gone))
        told = (await found(processes(a_place(tmp_path))))["processes"]

    assert told == [
        fail("processes", "core does not answer on 127.0.0.1:1: was it killed?"),
        fail("processes", "edge-0 is not ready: its log says what it waits for."),
        fail("processes", "warehouse does not answer on 127.0.0.1:1: was it killed?"),
    ]


async def test_who_does_not_run_is_told(tmp_path: Path) -> None:
    async with an_edge(tmp_path / "operations", ready=True):
        told = (await found(processes(a_place(tmp_path))))["processes"]

    assert told == [
        fail("processes", "Not running here: core, warehouse. `leeway up` starts all."),
        ok("processes", "edge-0 is ready."),
    ]


async def test_a_process_that_lost_facts_or_gave_up_is_told(tmp_path: Path) -> None:
    numbers = CollectorRegistry()
    Counter("leeway_fact_gaps_total", "Facts missing.", registry=numbers).inc(3)
    Gauge("leeway_consumer_halted", "Halted.", ["group"], registry=numbers).labels("sink").set(1)

    async with an_edge(tmp_path / "operations", ready=True, numbers=numbers):
        told = (await found(processes(a_place(tmp_path))))["processes"]

    assert told[1:] == [
        fail("processes", "edge-0 gave up on too many records in a row and stopped: see its log."),
        fail("processes", "edge-0 misses 3 facts: `leeway doctor accounting` tells which."),
    ]


@pytest.mark.parametrize(("days", "state"), [(90, State.OK), (3, State.WARN), (-1, State.FAIL)])
def test_a_certificate_is_told_before_it_ends(tmp_path: Path, days: int, state: State) -> None:
    validity = Validity(NOW - timedelta(days=10), NOW + timedelta(days=days, hours=1))
    make_certificates(tmp_path / "certificates", ["registry"], validity)

    [finding] = certificates(a_place(tmp_path), CLOCK)

    assert finding.state is state


async def test_a_store_that_is_down_is_told(tmp_path: Path) -> None:
    told = await found(endpoint(a_place(tmp_path, "http://127.0.0.1:1"), SystemClock()))

    assert [(f.check, f.state) for f in told["sql"]] == [("sql", State.FAIL)]
    assert told.keys() == {"sql"}


async def test_a_store_that_misses_a_migration_is_told(tmp_path: Path) -> None:
    SecretsFolder(tmp_path).remember(Credentials(sql_passwords={OPERATOR: PASSWORD}))
    async with a_store(tmp_path) as store:
        await store.engine.command("DELETE FROM leeway.migrations WHERE number = 2")
        told = await found(endpoint(a_place(tmp_path, store.url), SystemClock()))

    assert told["tables"] == [
        fail(
            "tables",
            "Not applied: 0002_warehouse_stored.sql. `leeway prepare`, or a start, does it.",
        )
    ]
    assert (told["sql"][0].state, told["books"]) == (
        State.OK,
        [ok("books", "The books add up.")],
    )


async def test_a_call_without_its_usage_is_told(tmp_path: Path) -> None:
    SecretsFolder(tmp_path).remember(Credentials(sql_passwords={OPERATOR: PASSWORD}))
    two_minutes_ago = micros(SystemClock().now()) - 120_000_000
    async with a_store(tmp_path) as store, store.client() as client:
        records = [*interactions(range(3)), *usages(range(2))]
        late = [replace(each, accepted_at_us=two_minutes_ago) for each in records]
        await a_sink(client).handle(late)
        told = await found(endpoint(a_place(tmp_path, store.url), SystemClock()))

    assert told["rated"] == [
        fail("rated", "Of the last day's interactions 1 have no usage: is billing behind?")
    ]


async def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    SecretsFolder(tmp_path).remember(Credentials(sql_passwords={OPERATOR: PASSWORD}))
    async with a_store(tmp_path) as store:
        told = await found(endpoint(a_place(tmp_path, store.url), CLOCK))

    assert told["sql"][0].state is State.FAIL
    assert "set the clocks" in told["sql"][0].sentence


async def test_a_kafka_that_is_away_is_told(tmp_path: Path) -> None:
    told = await found(kafka(Cluster("127.0.0.1:1"), CLOCK))

    assert [f.state for f in told["kafka"]] == [State.FAIL]


async def test_a_topic_that_is_missing_is_told(tmp_path: Path, broker: Broker) -> None:
    cluster = Cluster(broker.servers, prefix=f"{tmp_path.name}.")
    wanted = layouts(cluster)
    await make(cluster, [one for one in wanted if "alert.changed" not in one.name])

    told = await found(kafka(cluster, CLOCK))

    [topics] = told["topics"]
    assert topics.state is State.FAIL
    assert f"make {cluster.prefix}alert.changed.v1" in topics.sentence


async def test_a_group_that_nobody_is_a_member_of_is_told(tmp_path: Path, broker: Broker) -> None:
    cluster = Cluster(broker.servers, prefix=f"{tmp_path.name}.")
    await make(cluster, layouts(cluster))

    told = await found(kafka(cluster, CLOCK))

    assert told["topics"][0].state is State.OK
    assert {finding.state for finding in told["groups"]} == {State.FAIL}


async def test_one_fault_is_exit_code_1_and_json_tells_it(tmp_path: Path) -> None:
    runner = CliRunner(env={"LEEWAY_DATA": str(tmp_path / "none")})

    result = await asyncio.to_thread(runner.invoke, app, ["--json", "--url", "http://127.0.0.1:1"])

    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    assert told["checks"][0]["check"] == "data"
    assert not (tmp_path / "none").exists()
