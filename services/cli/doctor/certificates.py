"""Certificates of gRPC: whether they fit, and when they end."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509

from services.cli.doctor.findings import Finding, fail, ok, warn
from services.cli.doctor.place import Place
from services.local.certificates import files_of
from services.placement import CLUSTER
from shared.clock import Clock
from shared.errors import Invalid
from shared.rpc.tls import TlsFiles

DAYS_AHEAD = 14


def certificates(place: Place, clock: Clock) -> Iterator[Finding]:
    """This process's own, or those of a cluster on this machine; nothing where gRPC is plain."""
    for files in _installed(place):
        yield _looked_at(files, clock)


def _installed(place: Place) -> list[TlsFiles]:
    if place.installation.tls is not None:
        return [place.installation.tls]
    folder = place.data / "certificates"
    return [files_of(folder, name) for name in CLUSTER if (folder / f"{name}.crt").exists()]


def _looked_at(files: TlsFiles, clock: Clock) -> Finding:
    now = clock.now()
    try:
        files.read(now)
    except Invalid as fault:
        return fail("certificates", f"{fault.message} `leeway certs` makes new ones.")
    days = (_end(files.certificate) - now).days
    told = f"{files.certificate.name} ends in {days} days"
    if days < DAYS_AHEAD:
        return warn("certificates", f"{told}: replace it; a running process takes the new file.")
    return ok("certificates", f"{told}.")


def _end(certificate: Path) -> datetime:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
