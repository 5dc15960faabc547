"""Mutual TLS: a process's certificate from files, checked when read, and read again when they change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from shared.clock import Clock
from shared.errors import Invalid

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a process shows and trusts, as PEM; its certificate fits its key and comes from the CA."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where they lie: the CA that is trusted, the process's own certificate (chain), and its key."""

    ca: Path
    certificate: Path
    key: Path

    def read(self, now: datetime) -> Identity:
        """The files' content. Raises `Invalid` with the file and what is wrong with it."""
        identity = Identity(_bytes(self.ca), _bytes(self.certificate), _bytes(self.key))
        roots, chain = _certificates(self.ca, identity.ca), self._chain(identity)
        if not now < chain[0].not_valid_after_utc:
            ended = chain[0].not_valid_after_utc
            raise Invalid(f"{self.certificate}: the certificate expired at {ended.isoformat()}.")
        if chain[0].not_valid_before_utc > now:
            begins = chain[0].not_valid_before_utc
            raise Invalid(f"{self.certificate}: is not valid before {begins.isoformat()}.")
        if not _leads_to(chain, roots):
            raise Invalid(f"{self.certificate}: was not issued by the CA in {self.ca}.")
        return identity

    def _chain(self, identity: Identity) -> Sequence[x509.Certificate]:
        chain = _certificates(self.certificate, identity.certificate)
        try:
            key = load_pem_private_key(identity.key, None)
        except (ValueError, TypeError) as error:
            raise Invalid(
                f"{self.key}: expected a private key in PEM, without password."
            ) from error
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
            raise Invalid(f"{self.key}: is not the key of the certificate in {self.certificate}.")
        return chain


def server_credentials(files: TlsFiles, clock: Clock, *, mutual: bool) -> grpc.ServerCredentials:
    """Credentials of a server that follow the files; `mutual` asks every caller for a certificate.

    Raises `Invalid` when the files are wrong now. Later, wrong ones are told in the log and not used.
    """
    renewal = _Renewal(files, clock)
    return grpc.dynamic_ssl_server_credentials(
        renewal.first(),
        renewal,  # type: ignore[arg-type] # the stubs forget that None keeps what there is
        require_client_authentication=mutual,
    )


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Credentials of a client."""
    return grpc.ssl_channel_credentials(identity.ca, identity.key, identity.certificate)


class _Renewal:
    """Asked at each handshake: the configuration of files that changed, or None to go on with the old."""

    def __init__(self, files: TlsFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._stamps = self._look()

    def first(self) -> grpc.ServerCertificateConfiguration:
        return _configuration(self._files.read(self._clock.now()))

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        stamps = self._look()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            renewed = self.first()
        except Invalid as error:
            log.error("tls.renewal_refused", reason=error.message)
            return None
        log.info("tls.renewed", certificate=str(self._files.certificate))
        return renewed

    def _look(self) -> list[tuple[int, int] | None]:
        """When each file was written, and as which; None for one that is missing."""
        return [_stamp(path) for path in (self._files.ca, self._files.certificate, self._files.key)]


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    pair = (identity.key, identity.certificate)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=identity.ca)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ino


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path}: cannot be read ({error.strerror}).") from error


def _certificates(path: Path, pem: bytes) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Invalid(f"{path}: expected certificates in PEM.") from error


def _leads_to(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]) -> bool:
    """Whether each certificate was issued by the next one, and the last by a root."""
    return all(_issued(one, by) for one, by in pairwise(chain)) and any(
        _issued(chain[-1], root) for root in roots
    )


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
