"""Failpoints: named steps at which a process can be told to die, so that a test may kill it exactly there.

They are inert unless `LEEWAY_FAIL_AT` names one: `warehouse.inserted:3` ends the process, as SIGKILL would, when the
group `warehouse` has inserted for the third time. A group's batch goes through the steps in the order of `Step`.
"""

import os
import re
from collections import Counter
from enum import StrEnum

from shared.errors import Invalid

KILLED = 137  # the exit code of a process that ended by SIGKILL: 128 + 9


class Step(StrEnum):
    """What has just been done for a batch. Not every group takes every step."""

    READ = "read"  # it is in hand, and nothing of it is stored
    INTENDED = "intended"  # its boundaries are durable: what writes elsewhere does this first
    INSERTED = "inserted"  # one block of it is in the store: the warehouse
    SENT = "sent"  # what there was of it for one partition is at the broker: the relay
    HANDLED = "handled"  # all that the handler does is done
    WRITTEN = "written"  # effect and position are in an open transaction: in a cluster
    STORED = "stored"  # effect and position are durable
    TOLD = "told"  # Kafka knows the offset


_POINT = re.compile(rf"([a-z]+)\.({'|'.join(Step)})(?::([1-9][0-9]*))?")


class Failpoints:
    """At most one point, and how often it is passed before it is fatal. Raises `Invalid` for one that is none."""

    def __init__(self, fail_at: str = "") -> None:
        point = _POINT.fullmatch(fail_at)
        if fail_at and point is None:
            raise Invalid(
                f"'{fail_at}' is no failpoint: expected <group>.<step>, or <group>.<step>:<times>, "
                f"with one of the steps {', '.join(Step)}."
            )
        self._point = (point[1], Step(point[2])) if point else None
        self._times = int(point[3] or 1) if point else 0
        self._reached: Counter[tuple[str, Step]] = Counter()

    def reach(self, group: str, step: Step) -> None:
        """Say that a group has done a step. Does not return when it is the one to die at."""
        if self._point is None:
            return
        self._reached[group, step] += 1
        if self._point == (group, step) and self._reached[group, step] == self._times:
            os._exit(KILLED)


NONE = Failpoints()
"""No failpoint: what everything is built with by default."""
