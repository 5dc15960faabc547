"""Certificates for development: a CA of one's own, and one certificate for each service."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.errors import Conflict, Invalid
from shared.private_file import write_private
from shared.rpc.tls import TlsFiles

CA_NAME = "Leeway development CA"
CLOCK_SKEW = timedelta(minutes=5)
LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))

_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate holds."""

    begins: datetime
    ends: datetime

    @classmethod
    def days_from(cls, now: datetime, days: int) -> "Validity":
        """From now on, for machines whose clocks are a little behind too."""
        return cls(now - CLOCK_SKEW, now + timedelta(days=days))


def make_certificates(
    folder: Path, names: Sequence[str], validity: Validity, *, force: bool = False
) -> Sequence[TlsFiles]:
    """Write a new CA and a certificate for each name into the folder; keys are mode 0600.

    Raises `Invalid` for what is no DNS name, and `Conflict` when a file is there and `force` is not.
    """
    wrong = [name for name in names if not _DNS_NAME.fullmatch(name) or name == "ca"]
    if wrong:
        raise Invalid(
            f"'{wrong[0]}' is no name for a certificate: expected a DNS name, but not 'ca'."
        )
    files = [files_of(folder, name) for name in names]
    paths = [
        folder / "ca.key",
        *(path for one in files for path in (one.ca, one.certificate, one.key)),
    ]
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise Conflict(f"{there[0]} exists: pass --force to replace it and all of its kind.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = new_authority(validity)
    _write(authority, folder / "ca.crt", folder / "ca.key")
    for name, one in zip(names, files, strict=True):
        _write(issue(authority, name, validity), one.certificate, one.key)
    return files


def files_of(folder: Path, name: str) -> TlsFiles:
    """Where the certificate of a name lies."""
    return TlsFiles(folder / "ca.crt", folder / f"{name}.crt", folder / f"{name}.key")


def new_authority(validity: Validity) -> Issued:
    """A CA that may issue certificates of services, and no other CAs."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(CA_NAME, key, validity)
        .issuer_name(_named(CA_NAME))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Issued, name: str, validity: Validity) -> Issued:
    """A certificate by which a service serves and asks, under its name and on loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    dns = [x509.DNSName(one) for one in (name, "localhost")]
    signer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    builder = (
        _builder(name, key, validity)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([*dns, *(x509.IPAddress(ip) for ip in LOOPBACK)]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.value),
            critical=False,
        )
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.begins)
        .not_valid_after(validity.ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(issued: Issued, certificate: Path, key: Path) -> None:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(key, issued.key.private_bytes(*form))
    write_private(certificate, issued.certificate.public_bytes(Encoding.PEM))
    certificate.chmod(0o644)
