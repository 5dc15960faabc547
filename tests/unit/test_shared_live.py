"""Which environments a caller may file under: its key's own, and those registered for its tenant."""

import pytest

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
