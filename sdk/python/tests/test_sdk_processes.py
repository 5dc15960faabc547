"""Forks and exits: each process sends what it took, once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sdk_stub import PATIENCE_SECONDS, Stub, program, serving

from leeway.items import Item, Lane
from leeway.settings import Limits
from leeway.spool.folder import Spool

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

SENDS_IN_BOTH = """
import os, leeway
leeway.record(model="parent before")
child = os.fork()
if child == 0:
    leeway.record(model="child")
    print(leeway.flush(), leeway.stats().accepted, flush=True)
    os._exit(0)
os.waitpid(child, 0)
leeway.record(model="parent after")
"""

MULTIPROCESSING = """
import multiprocessing, leeway
def work():
    leeway.record(model="child")
if __name__ == "__main__":
    leeway.record(model="parent")
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
"""

PARENT_DIES = """
import os, sys, time, leeway
leeway.record(model="of the parent")
while leeway.stats().spooled < 1: time.sleep(0.01)
if os.fork() == 0:
    os.close(1)
    os.read(0, 1)
    os._exit(0)
os._exit(0)
"""


def models(stub: Stub) -> list[str]:
    return sorted(item["model"] for item in stub.items())


def test_parent_and_child_of_a_fork_each_send_their_own(stub: Stub, tmp_path: Path) -> None:
    process = program(SENDS_IN_BOTH, stub.url, tmp_path)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert said == "True 1\n"
    assert models(stub) == ["child", "parent after", "parent before"]


def test_a_child_of_multiprocessing_sends_at_its_exit(stub: Stub, tmp_path: Path) -> None:
    process = program(MULTIPROCESSING, stub.url, tmp_path)
    process.communicate(timeout=PATIENCE_SECONDS)

    assert models(stub) == ["child", "parent"]


def test_a_child_that_lives_on_does_not_hold_its_dead_parents_segment(tmp_path: Path) -> None:
    with serving() as gone:
        dead_url = gone.url
    read, write = os.pipe()
    process = program(PARENT_DIES, dead_url, tmp_path, stdin=read)
    process.communicate(timeout=PATIENCE_SECONDS)

    claim = Spool(tmp_path, Limits()).claim()

    os.close(write)
    os.close(read)
    assert claim is not None
    assert len(claim.items) == 1
    claim.release()


def test_a_segment_of_a_dead_process_is_claimed_by_a_living_one(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        Spool(tmp_path, Limits()).append([Item(Lane.SPANS, b"{}")])
        os._exit(0)
    os.waitpid(pid, 0)

    claim = Spool(tmp_path, Limits()).claim()

    assert claim is not None
    assert claim.items == [Item(Lane.SPANS, b"{}")]
    claim.release()


def test_importing_the_sdk_starts_nothing(tmp_path: Path) -> None:
    text = (
        "import sys, threading, leeway\n"
        "print(threading.active_count(), 'openai' in sys.modules, leeway.stats().accepted)"
    )
    process = program(text, "http://127.0.0.1:9", tmp_path)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert said == "1 False 0\n"
    assert list(tmp_path.iterdir()) == []
