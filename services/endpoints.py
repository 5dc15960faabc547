"""Where the installation on this machine answers: told by its supervisor while it runs, else by the settings."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from services.settings import Installation
from shared.private_file import write_private


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of the API and of SQL."""

    url: str
    sql_url: str


@contextmanager
def told(data: Path, endpoints: Endpoints) -> Iterator[None]:
    """Tell the verbs of this data folder where to ask meanwhile: port 0 is another one at every start."""
    path = _path(data)
    write_private(path, json.dumps(asdict(endpoints)).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def endpoints_at(host: str, port: int, sql_port: int) -> Endpoints:
    """The addresses of these ports, as somebody on this machine calls them.

    >>> endpoints_at("0.0.0.0", 8080, 8123)
    Endpoints(url='http://127.0.0.1:8080', sql_url='http://127.0.0.1:8123')
    """
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (not bound to here)
    shown = f"[{named}]" if ":" in named else named
    return Endpoints(f"http://{shown}:{port}", f"http://{shown}:{sql_port}")


def endpoints_of(installation: Installation) -> Endpoints:
    """What the supervisor that runs there told, or what the settings say."""
    try:
        return Endpoints(**json.loads(_path(installation.data).read_bytes()))
    except FileNotFoundError:
        return endpoints_at(installation.host, installation.port, installation.sql_port)


def _path(data: Path) -> Path:
    return data / "endpoints.json"
