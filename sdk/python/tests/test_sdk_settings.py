"""Settings come from the program, then the environment, then defaults; retries come later and later."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from leeway.backoff import Backoff
from leeway.settings import Options, resolve
from leeway.transport import Later, outcome

HOME = {"XDG_STATE_HOME": "/state"}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_defaults_are_the_embedded_server_and_a_spool_of_the_users_own() -> None:
    settings = resolve(Options(), HOME)

    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.api_key == ""
    assert settings.spool_dir is not None
    assert settings.spool_dir.parent == Path("/state/leeway/spool")


def test_another_key_or_server_has_another_spool() -> None:
    folders = {
        resolve(Options(api_key=key, base_url=url), HOME).spool_dir
        for key in ("a", "b")
        for url in ("http://one", "http://two")
    }

    assert len(folders) == 4


def test_a_spool_that_is_named_is_used_as_it_is() -> None:
    told = {**HOME, "LEEWAY_SPOOL_DIR": "/from/environment"}

    assert resolve(Options(), told).spool_dir == Path("/from/environment")
    assert resolve(Options(spool_dir="/from/program"), told).spool_dir == Path("/from/program")
    assert resolve(Options(spool_dir="off"), told).spool_dir is None


def test_retries_come_later_and_later_up_to_a_bound() -> None:
    clock = Clock()
    backoff = Backoff(1.0, 8.0, clock=clock, seed=7)

    waits = []
    for _ in range(200):
        backoff.fail()
        waits.append(backoff.remaining_seconds)

    bounds = [1.0, 2.0, 4.0, *[8.0] * 197]
    assert all(0.5 <= wait <= bound for wait, bound in zip(waits, bounds))
    assert max(waits) > 7.0
    assert len({round(wait, 3) for wait in waits}) > 100


def test_a_retry_is_not_before_the_time_that_the_server_names() -> None:
    backoff = Backoff(0.5, 8.0, clock=Clock(), seed=7)

    backoff.fail(at_least_seconds=60)

    assert backoff.remaining_seconds == 60


def test_a_success_ends_the_backing_off() -> None:
    backoff = Backoff(1.0, 8.0, clock=Clock(), seed=7)
    backoff.fail()

    backoff.succeed()

    assert (backoff.failing, backoff.remaining_seconds) == (False, 0.0)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("-1", 0.0), ("99999", 300.0), ("tomorrow", 0.0)]
)
def test_retry_after_is_read_in_seconds_and_within_reason(header: str, seconds: float) -> None:
    answer = outcome(httpx.Response(429, headers={"retry-after": header}))

    assert isinstance(answer, Later)
    assert answer.after_seconds == seconds
