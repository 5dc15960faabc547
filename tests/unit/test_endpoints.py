"""Where to ask: what the supervisor of the data folder told while it runs, else what the settings say."""

import stat
from pathlib import Path

from services.endpoints import Endpoints, endpoints_at, endpoints_of, told
from services.settings import Installation

TOLD = Endpoints("http://127.0.0.1:41001", "http://127.0.0.1:41002")


def test_what_the_supervisor_told_wins_as_long_as_it_runs(tmp_path: Path) -> None:
    installation = Installation(data=tmp_path, port=0, sql_port=8124)
    by_settings = Endpoints("http://127.0.0.1:0", "http://127.0.0.1:8124")

    assert endpoints_of(installation) == by_settings
    with told(tmp_path, TOLD):
        assert endpoints_of(installation) == TOLD
    assert endpoints_of(installation) == by_settings
    assert list(tmp_path.iterdir()) == []


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    with told(tmp_path, TOLD):
        [path] = tmp_path.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_address_of_six_has_brackets_and_every_address_is_called_by_loopback() -> None:
    assert endpoints_at("::", 1, 2) == Endpoints("http://[::1]:1", "http://[::1]:2")
