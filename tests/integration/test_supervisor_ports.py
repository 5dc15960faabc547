"""The ports are opened before anything starts, and a taken one is told with the setting to change."""

import socket
from collections.abc import Iterator

import pytest

from services.settings import Installation
from services.supervisor import open_ports
from shared.errors import Conflict


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def an_installation(**ports: int) -> Installation:
    return Installation(**{"port": 0, "sql_port": 0, "otlp_port": 0, **ports})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "setting"),
    [("port", "LEEWAY_PORT"), ("sql_port", "LEEWAY_SQL_PORT"), ("otlp_port", "LEEWAY_OTLP_PORT")],
)
def test_a_taken_port_names_itself_and_its_setting(taken: int, field: str, setting: str) -> None:
    with pytest.raises(Conflict) as refusal:
        open_ports(an_installation(**{field: taken}))

    assert refusal.value.message == (
        f"Port {taken} on 127.0.0.1 cannot be used (Address already in use): "
        f"stop what is there, or set {setting} to another port."
    )


def test_port_0_is_a_free_one_that_listens() -> None:
    ports = open_ports(an_installation())

    with ports.http, ports.sql:
        assert ports.http_port != ports.sql_port
        for port in (ports.http_port, ports.sql_port):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
