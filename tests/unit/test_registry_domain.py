"""Which changes lead from what the registry keeps to what the file wants."""

from datetime import UTC, datetime

from services.registry.domain import (
    Change,
    Entity,
    Environment,
    Kept,
    Key,
    Origin,
    Project,
    Tenant,
    differences,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)
ACME = Tenant("acme", "Acme")
WEB = Project("acme", "web")
KEY = Key("abcdefgh", "acme", "k", "web", "production", ("serve",), "lk_production_abcdefgh", "h")


def kept(entity: Entity, origin: Origin = Origin.FILE) -> Kept:
    return Kept(entity, origin, NOW, NOW, "leeway.yaml")


def test_what_is_kept_as_wanted_needs_no_change() -> None:
    assert differences([ACME, WEB], [kept(ACME), kept(WEB)]) == ()


def test_what_is_new_or_different_is_put_in_the_order_of_the_wish() -> None:
    renamed = Tenant("acme", "ACME Ltd")

    changes = differences([renamed, WEB], [kept(ACME)])

    assert changes == (Change(renamed, Origin.FILE), Change(WEB, Origin.FILE))


def test_what_the_file_no_longer_wants_goes() -> None:
    assert differences([ACME], [kept(ACME), kept(WEB)]) == (Change(WEB, Origin.FILE, deleted=True),)


def test_what_the_api_made_stays() -> None:
    assert differences([], [kept(ACME, Origin.API), kept(WEB, Origin.API)]) == ()


def test_what_the_api_made_becomes_the_files_when_the_file_wants_it() -> None:
    assert differences([ACME], [kept(ACME, Origin.API)]) == (Change(ACME, Origin.FILE),)


def test_with_a_tenant_goes_what_the_api_made_for_it() -> None:
    held = [kept(ACME), kept(WEB, Origin.API), kept(KEY, Origin.API)]

    gone = [change.entity for change in differences([], held) if change.deleted]

    assert gone == [ACME, WEB, KEY]


def test_a_project_and_an_environment_of_one_name_are_two_things() -> None:
    changes = differences([Environment("acme", "web")], [kept(WEB)])

    assert changes == (
        Change(Environment("acme", "web"), Origin.FILE),
        Change(WEB, Origin.FILE, deleted=True),
    )


def test_a_key_lives_until_it_is_revoked_or_its_time_has_come() -> None:
    ending = KEY.expiring_by(LATER)

    assert KEY.lives(LATER)
    assert ending.lives(NOW)
    assert not ending.lives(LATER)


def test_a_key_never_ends_later_than_it_would_have() -> None:
    assert KEY.expiring_by(NOW).expiring_by(LATER).expires_at == NOW
