"""The installation's own secrets: made once, kept whole, read by their owner only."""

import stat
from pathlib import Path

import pytest

from shared.errors import Invalid
from shared.secrets_folder import Credentials, SecretsFolder


def test_the_pepper_is_made_once(tmp_path: Path) -> None:
    first = SecretsFolder(tmp_path).pepper()

    assert len(first) == 32
    assert SecretsFolder(tmp_path).pepper() == first


def test_only_the_owner_reads_the_folder_and_its_files(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)
    folder.pepper()
    folder.operator_password()

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "secrets", *(tmp_path / "secrets").iterdir())
    }
    assert modes == {"secrets": 0o700, "pepper": 0o600, "credentials.json": 0o600}


def test_a_pepper_of_another_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pepper").write_bytes(b"short")

    with pytest.raises(Invalid, match="expected 32 bytes, found 5"):
        SecretsFolder(tmp_path).pepper()


def test_what_was_shown_once_is_remembered_beside_what_was_before(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)
    folder.remember(Credentials(keys={"a/first": "1", "b/first": "2"}))
    folder.remember(Credentials(keys={"b/first": "3"}, sql_passwords={"a": "p"}))

    kept = SecretsFolder(tmp_path).credentials()

    assert kept == Credentials({"a/first": "1", "b/first": "3"}, {"a": "p"})


def test_a_sql_password_is_made_once_for_each_user(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)

    made = folder.sql_password("acme")

    assert folder.sql_password("acme") == made
    assert folder.operator_password() == folder.sql_password(folder.operator_user) != made


def test_a_new_sql_password_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)
    before = folder.sql_password("acme")

    made = folder.new_sql_password("acme")

    assert folder.sql_password("acme") == made != before


def test_what_is_of_a_tenant_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)
    folder.remember(
        Credentials(
            keys={"acme/web": "1", "gone/web": "2", "leeway/operator": "3"},
            sql_passwords={"acme": "p", "gone": "q", "leeway": "r"},
        )
    )

    folder.forget_all_but(["acme"])

    assert SecretsFolder(tmp_path).credentials() == Credentials(
        keys={"acme/web": "1", "leeway/operator": "3"},
        sql_passwords={"acme": "p", "leeway": "r"},
    )


def test_damaged_credentials_are_told_and_not_overwritten(tmp_path: Path) -> None:
    folder = SecretsFolder(tmp_path)
    folder.remember(Credentials(keys={"a/first": "1"}))
    path = tmp_path / "secrets" / "credentials.json"
    path.write_text("{")

    with pytest.raises(Invalid, match="is damaged"):
        folder.remember(Credentials(keys={"b/first": "2"}))

    assert path.read_text() == "{"


def test_credentials_do_not_print_their_secrets() -> None:
    assert repr(Credentials({"a/first": "hunter2"}, {"a": "hunter2"})) == "Credentials()"
