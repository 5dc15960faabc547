"""Failpoints: what is named is known, what is not named is inert, and what is reached is the end."""

import subprocess
import sys

import pytest

from services.settings import Installation
from shared.errors import Invalid
from shared.failpoints import KILLED, Failpoints, Step


@pytest.mark.parametrize("point", ["", "warehouse.inserted", "relay.sent:3", "billing.read:12"])
def test_a_point_names_a_group_a_step_and_how_often_it_is_passed(point: str) -> None:
    Failpoints(point)


@pytest.mark.parametrize(
    "point", ["warehouse", "warehouse.baked", "inserted", "relay.sent:0", "relay.sent:x"]
)
def test_what_is_no_failpoint_is_refused_with_the_steps_there_are(point: str) -> None:
    with pytest.raises(Invalid, match=f"'{point}' is no failpoint.*intended"):
        Failpoints(point)


def test_a_process_that_is_told_to_die_at_a_step_there_is_not_does_not_start() -> None:
    with pytest.raises(Invalid) as refusal:
        Installation(fail_at="warehouse.baked")

    [fault] = refusal.value.faults
    assert fault.startswith("LEEWAY_FAIL_AT: 'warehouse.baked' is no failpoint: expected ")


def test_other_steps_and_other_groups_are_passed() -> None:
    points = Failpoints("warehouse.inserted")

    points.reach("warehouse", Step.READ)
    points.reach("billing", Step.INSERTED)


def test_the_step_is_fatal_when_it_is_done_for_the_last_time() -> None:
    program = (
        "from shared.failpoints import Failpoints, Step\n"
        "points = Failpoints('warehouse.inserted:3')\n"
        "for n in range(1, 9):\n"
        "    print(n, flush=True)\n"
        "    points.reach('warehouse', Step.INSERTED)\n"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert ended.stdout.split() == [b"1", b"2", b"3"]
    assert ended.returncode == KILLED
