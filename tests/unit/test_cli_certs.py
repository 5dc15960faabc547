"""`leeway certs`: certificates that hold for one another, and never over what is there."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import typer
from cryptography import x509
from typer.testing import CliRunner

from services.cli.certs import certs, every_name
from services.local.certificates import Validity, files_of, make_certificates
from shared.errors import Conflict, Invalid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = Validity.days_from(NOW, 90)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_each_service_gets_a_certificate_under_its_name_and_on_loopback(tmp_path: Path) -> None:
    registry, serving = make_certificates(tmp_path, ["registry", "serving"], QUARTER)

    read = x509.load_pem_x509_certificate(registry.read(NOW).certificate)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["registry", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert read.not_valid_after_utc == NOW + timedelta(days=90)
    assert registry.ca == serving.ca


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    (registry,) = make_certificates(tmp_path / "new", ["registry"], QUARTER)

    assert [mode(path) for path in (registry.key, tmp_path / "new" / "ca.key")] == [0o600, 0o600]
    assert [mode(path) for path in (registry.certificate, registry.ca)] == [0o644, 0o644]
    assert mode(tmp_path / "new") == 0o700
    assert "PRIVATE" not in repr(registry.read(NOW))


def test_what_is_there_is_replaced_by_force_alone(tmp_path: Path) -> None:
    (registry,) = make_certificates(tmp_path, ["registry"], QUARTER)
    before = registry.certificate.read_bytes()

    with pytest.raises(Conflict, match="--force"):
        make_certificates(tmp_path, ["registry"], QUARTER)
    assert registry.certificate.read_bytes() == before
    make_certificates(tmp_path, ["registry"], QUARTER, force=True)
    assert registry.certificate.read_bytes() != before
    registry.read(NOW)


@pytest.mark.parametrize("name", ["", "ca", "../x", "Registry", "a b", "-a"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="DNS name"):
        make_certificates(tmp_path, [name], QUARTER)
    assert list(tmp_path.iterdir()) == []


def test_files_that_do_not_fit_together_are_told_apart(tmp_path: Path) -> None:
    one, other = make_certificates(tmp_path, ["one", "other"], QUARTER)

    with pytest.raises(
        Invalid, match=r"other\.key: is not the key of the certificate in .*one\.crt"
    ):
        type(one)(one.ca, one.certificate, other.key).read(NOW)
    with pytest.raises(Invalid, match=r"one\.crt: expected a private key in PEM"):
        type(one)(one.ca, one.certificate, one.certificate).read(NOW)
    with pytest.raises(Invalid, match=r"one\.key: expected certificates in PEM"):
        type(one)(one.key, one.certificate, one.key).read(NOW)
    with pytest.raises(Invalid, match=r"none\.crt: cannot be read"):
        type(one)(tmp_path / "none.crt", one.certificate, one.key).read(NOW)
    with pytest.raises(Invalid, match="is not valid before 2025-12-31T23:55:00"):
        one.read(NOW - timedelta(days=1))


def test_the_verb_says_how_to_use_what_it_made(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(certs)

    result = CliRunner().invoke(app, [str(tmp_path), "--name", "registry", "--days", "7"])

    files = files_of(tmp_path, "registry")
    assert result.exit_code == 0
    assert f"export LEEWAY_TLS_KEY={files.key}\n" in result.stdout
    assert result.stdout.startswith(f"1 certificates in {tmp_path}, until ")


def test_every_process_and_service_has_a_name() -> None:
    assert {"edge", "core", "serving", "registry", "warehouse"} <= set(every_name())
