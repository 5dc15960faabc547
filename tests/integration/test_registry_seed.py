"""Seeding and telling: from a file to the facts by which every process knows what is live."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.config import (
    Config,
    KeyConfig,
    ModelConfig,
    ProviderConfig,
    RouteConfig,
    TenantConfig,
)
from shared.config.loader import load_config
from shared.errors import Denied, Unavailable
from shared.live import Caller, LiveView, Model, Provider, Route, split_key
from shared.tokens import new_token
from tests.fakes import FakeOutbox
from tests.registry import START, Installation, told

ACME = TenantConfig("acme", "Acme", content="redacted", keys=(KeyConfig("web", ("serve",)),))
CONFIG = Config(
    providers=(ProviderConfig("up", "openai", "https://up.example/v1", "${UP}", {"n": 1.5}),),
    models=(ModelConfig("smart", (RouteConfig("up", "gpt", 3),)),),
    tenants=(ACME,),
)


@pytest.fixture
def installation(tmp_path: Path, control_url: str) -> Installation:
    return Installation(tmp_path, control_url)


async def test_the_first_start_makes_the_files_keys_and_the_operators_key(
    installation: Installation,
) -> None:
    seeded = await installation.prepare(CONFIG)

    assert [(key.tenant, key.name) for key in seeded.keys] == [
        ("leeway", "operator"),
        ("acme", "web"),
    ]


async def test_the_tenants_now_are_the_files_and_those_that_it_does_not_keep(
    installation: Installation,
) -> None:
    first = await installation.prepare(CONFIG)
    second = await installation.prepare(replace(CONFIG, tenants=(TenantConfig("globex"),)))

    assert first.tenants == {"acme", "leeway"}
    assert second.tenants == {"globex", "leeway"}


async def test_what_is_told_lets_every_process_know_the_new_key(installation: Installation) -> None:
    seeded = await installation.prepare(CONFIG)

    await installation.tell()

    operator, web = seeded.keys
    key_id = split_key(web.token)[0]
    assert installation.live.caller(web.token, START) == Caller(
        "acme", "default", "production", key_id, frozenset({"serve"})
    )
    assert installation.live.caller(operator.token, START).scopes == {"admin"}


async def test_providers_models_and_policies_are_told_as_the_file_has_them(
    installation: Installation,
) -> None:
    await installation.prepare(CONFIG)

    await installation.tell()

    live = installation.live
    assert live.providers == {
        "up": Provider("up", "openai", "https://up.example/v1", "${UP}", {"n": 1.5})
    }
    assert live.models == {"smart": Model("smart", (Route("up", "gpt", 3),))}
    assert live.content_policies == {"acme": "redacted", "leeway": "none"}


async def test_the_same_file_again_makes_no_key_and_no_revision(installation: Installation) -> None:
    await installation.prepare(CONFIG)
    await installation.tell()

    again = await installation.prepare(CONFIG)

    assert again.keys == ()
    assert await installation.tell() == []


async def test_the_built_in_configuration_serves_the_demo_to_a_first_key(
    installation: Installation,
) -> None:
    seeded = await installation.prepare(load_config(None, {}))

    await installation.tell()

    assert list(installation.live.models) == ["demo"]
    caller = installation.live.caller(seeded.keys[1].token, START)
    assert caller.scopes == {"serve", "ingest", "feedback", "read"}


async def test_a_change_in_the_file_is_one_new_revision(installation: Installation) -> None:
    await installation.prepare(CONFIG)
    first = await installation.tell()

    await installation.prepare(replace(CONFIG, tenants=(replace(ACME, content="none"),)))

    second = await installation.tell()
    assert told(second) == [("tenant", "acme", False)]
    assert second[0].revision == first[-1].revision + 1
    assert second[0].actor == "leeway.yaml"


async def test_what_the_file_no_longer_holds_goes_with_all_that_it_had(
    installation: Installation,
) -> None:
    seeded = await installation.prepare(CONFIG)
    await installation.tell()
    token = seeded.keys[1].token

    await installation.prepare(replace(CONFIG, tenants=(), models=()))

    assert told(await installation.tell()) == [
        ("tenant", "acme", True),
        ("project", "acme/default", True),
        ("environment", "acme/production", True),
        ("key", split_key(token)[0], True),
        ("model", "smart", True),
    ]
    with pytest.raises(Denied, match="not known"):
        installation.live.caller(token, START)


async def test_a_key_that_left_the_file_and_comes_back_is_a_new_key(
    installation: Installation,
) -> None:
    first = await installation.prepare(CONFIG)
    await installation.prepare(replace(CONFIG, tenants=(replace(ACME, keys=()),)))

    second = await installation.prepare(CONFIG)

    await installation.tell()
    assert [key.name for key in second.keys] == ["web"]
    with pytest.raises(Denied, match="not known"):
        installation.live.caller(first.keys[1].token, START)


async def test_a_whole_key_from_the_environment_is_accepted_and_not_shown(
    installation: Installation,
) -> None:
    token = new_token("production")
    key = KeyConfig("ci", ("ingest",), secret="${CI_KEY}")
    config = Config(tenants=(TenantConfig("acme", keys=(key,)),), secrets={"CI_KEY": token})

    seeded = await installation.prepare(config)

    await installation.tell()
    assert [key.name for key in seeded.keys] == ["operator"]
    assert installation.live.caller(token, START).scopes == {"ingest"}


async def test_an_expired_key_opens_nothing(installation: Installation) -> None:
    ends = datetime(2026, 2, 1, tzinfo=UTC)
    key = KeyConfig("trial", ("serve",), expires_at=ends)
    seeded = await installation.prepare(Config(tenants=(TenantConfig("acme", keys=(key,)),)))
    await installation.tell()
    token = seeded.keys[1].token

    assert installation.live.caller(token, ends - timedelta(seconds=1)).tenant == "acme"
    with pytest.raises(Denied, match="expired"):
        installation.live.caller(token, ends)


async def test_no_secret_is_in_the_database_or_in_a_fact(installation: Installation) -> None:
    seeded = await installation.prepare(CONFIG)
    await installation.tell()

    stored = _bytes_of(installation.data, "control.db*")
    told_bytes = b"".join(fact.value for fact in installation.outbox.facts)

    for key in seeded.keys:
        secret = split_key(key.token)[1].encode()
        assert secret not in stored
        assert secret not in told_bytes


def _bytes_of(folder: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(pattern))


async def test_revisions_are_told_in_order_under_stable_event_ids(
    installation: Installation,
) -> None:
    await installation.prepare(CONFIG)

    changes = await installation.tell()

    facts = installation.outbox.facts
    assert [change.revision for change in changes] == list(range(1, len(changes) + 1))
    assert [fact.key for fact in facts] == [change.tenant for change in changes]
    assert len({fact.event_id for fact in facts}) == len(facts)


async def test_two_publishers_do_not_tell_the_same_change(installation: Installation) -> None:
    await installation.prepare(CONFIG)
    other = FakeOutbox()

    async with installation.publisher() as one, installation.publisher(other) as two:
        counts = await one.publish(), await two.publish()

    assert counts == (10, 0)
    assert other.facts == []


async def test_a_claim_of_a_publisher_that_died_lapses_and_another_tells_the_same_facts(
    installation: Installation,
) -> None:
    await installation.prepare(CONFIG)
    async with installation.publisher(FakeOutbox(full=True)) as dead:
        with pytest.raises(Unavailable, match="full"):
            await dead.publish()
    assert await installation.tell() == []

    installation.clock.advance(2)

    assert len(await installation.tell()) == 10


async def test_facts_fold_to_the_same_view_in_any_order_and_any_number(
    installation: Installation,
) -> None:
    seeded = await installation.prepare(CONFIG)
    await installation.tell()
    changes = [RegistryChanged.FromString(fact.value) for fact in installation.outbox.facts]

    view = LiveView(installation.pepper)
    for change in [*reversed(changes), *changes]:
        view.apply(change)

    assert view.keys == installation.live.keys
    assert view.models == installation.live.models
    assert view.caller(seeded.keys[1].token, START).tenant == "acme"
