"""`leeway certs`: a CA and certificates for development, so that services speak mutual TLS."""

from pathlib import Path
from typing import Annotated

import typer

from services.local.certificates import Validity, make_certificates
from services.placement import EMBEDDED
from shared.clock import SystemClock
from shared.rpc.tls import TlsFiles

DAYS = 90


def certs(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made when it is not there.")],
    name: Annotated[
        list[str] | None,
        typer.Option(help="A service to certify; give it once for each. By default all of them."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=825, help="For how long they hold.")] = DAYS,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Make a development CA, and a certificate for each service (its name, localhost, 127.0.0.1, ::1)."""
    validity = Validity.days_from(SystemClock().now(), days)
    made = make_certificates(folder, name or every_name(), validity, force=force)
    print(f"{len(made)} certificates in {folder}, until {validity.ends:%Y-%m-%d}.")
    print(_how_to_use(made[0]))


def every_name() -> list[str]:
    """The name of every process and service that may serve or ask over gRPC."""
    return sorted({*EMBEDDED, *(name for names in EMBEDDED.values() for name in names)})


def _how_to_use(files: TlsFiles) -> str:
    return (
        f"Give each process its own, like {files.certificate.stem}:\n"
        f"  export LEEWAY_TLS_CA={files.ca}\n"
        f"  export LEEWAY_TLS_CERT={files.certificate}\n"
        f"  export LEEWAY_TLS_KEY={files.key}\n"
        "Keep ca.key out of every machine that only runs a service. "
        "Replaced files are used from the next connection on."
    )
