"""What is live: which environments a caller may file under, and what becomes of a fact that cannot be read."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from leeway_pb.v1.registry_pb2 import RegistryChanged

from shared.live import LiveView
from tests.builders import a_caller


def an_environment(
    tenant: str, name: str, revision: int, *, deleted: bool = False
) -> RegistryChanged:
    return RegistryChanged(
        entity="environment",
        entity_id=f"{tenant}/{name}",
        revision=revision,
        deleted=deleted,
        body="" if deleted else f'{{"tenant": "{tenant}", "environment": "{name}"}}',
    )


@pytest.fixture
def live() -> LiveView:
    view = LiveView(b"pepper")
    view.apply(an_environment("acme", "staging", 1))
    view.apply(an_environment("beta", "lab", 2))
    return view


@pytest.mark.parametrize("name", ["", "production", "staging"])
def test_the_keys_own_and_the_tenants_environments_are_open(live: LiveView, name: str) -> None:
    assert live.misplaced(a_caller(), name) == ""


@pytest.mark.parametrize("name", ["lab", "moon", "Staging"])
def test_another_tenants_and_unknown_ones_are_not(live: LiveView, name: str) -> None:
    assert live.misplaced(a_caller(), name) == f"expected one of production, staging, got {name!r}"


def test_where_none_is_known_only_the_keys_own_is_open(live: LiveView) -> None:
    caller = a_caller(tenant="new", environment="qa")

    assert live.misplaced(caller, "qa") == ""
    assert live.misplaced(caller, "production") == "expected one of qa, got 'production'"


def test_one_that_was_deleted_is_closed(live: LiveView) -> None:
    live.apply(an_environment("acme", "staging", 3, deleted=True))

    assert live.misplaced(a_caller(), "staging") == "expected one of production, got 'staging'"


def test_a_snapshot_replaces_what_was_known(live: LiveView) -> None:
    live.become([an_environment("acme", "qa", 1)], 1)

    assert live.misplaced(a_caller(), "qa") == ""
    assert live.misplaced(a_caller(), "staging") != ""


MODEL = '{"routes": [{"provider": "demo", "model": "demo-1"}]}'
KEY = (
    '{"tenant": "acme", "project": "p", "environment": "e", "scopes": ["serve"],'
    ' "secret_hash": "0", "expires_at": "2026-01-01T00:00:00"}'
)
OTHER_FORMS = [
    ("model", "{}"),
    ("model", '{"routes": "demo"}'),
    ("model", '{"routes": ["demo"]}'),
    ("model", '{"routes": [{"provider": "demo", "model": "demo-1", "weight": {"now": 1}}]}'),
    ("model", '{"routes": [], "fallbacks": {"first": "m"}}'),
    ("provider", '{"kind": "demo", "options": []}'),
    ("key", '{"tenant": "acme"}'),
    ("key", KEY),
    ("tenant", '["full"]'),
    ("tenant", "{"),
]


def a_change(entity: str, body: str, revision: int) -> RegistryChanged:
    return RegistryChanged(entity=entity, entity_id="it", revision=revision, body=body)


@pytest.mark.parametrize(("entity", "body"), OTHER_FORMS)
def test_a_body_of_another_form_is_told_once_and_takes_nothing_down(
    live: LiveView, entity: str, body: str
) -> None:
    with capture_logs() as logs:
        live.apply(a_change(entity, body, 3))
        live.become([a_change(entity, body, 3)], 3)

    [told] = [each for each in logs if each["event"] == "live.refused"]
    assert (told["entity"], told["entity_id"], told["revision"]) == (entity, "it", 3)
    assert (live.revision, refused()) == (3, 1)


def test_an_entity_that_cannot_be_read_stays_as_it_was(live: LiveView) -> None:
    live.apply(a_change("model", MODEL, 3))
    was = live.models["it"]
    live.apply(a_change("model", '{"routes": 7}', 4))
    assert live.models["it"] is was

    live.become([a_change("model", '{"routes": 7}', 4), a_change("tenant", "{}", 2)], 4)

    assert live.models["it"] is was
    assert list(live.tenants) == ["it"]


def test_an_entity_that_can_be_read_again_is_no_longer_refused(live: LiveView) -> None:
    live.apply(a_change("model", "{}", 3))
    assert refused() == 1

    live.apply(a_change("model", MODEL, 4))

    assert (list(live.models), refused()) == (["it"], 0)


def test_one_that_was_deleted_needs_no_form(live: LiveView) -> None:
    live.apply(a_change("model", "{}", 3))

    live.apply(RegistryChanged(entity="model", entity_id="it", revision=4, deleted=True))

    assert (live.models, refused()) == ({}, 0)


def refused() -> float:
    return REGISTRY.get_sample_value("leeway_live_refused") or 0.0
