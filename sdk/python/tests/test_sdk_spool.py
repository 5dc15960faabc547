"""What cannot be sent waits on disk: for the server, for the next start, for another process."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sdk_stub import (
    PATIENCE_SECONDS,
    QUICK,
    Answer,
    MakeClient,
    Stub,
    accepts,
    program,
    serving,
    wait_until,
)

import leeway
from leeway.items import Item, Lane
from leeway.settings import Limits
from leeway.spool import segment
from leeway.spool.folder import Spool


def items(*names: str) -> list[Item]:
    return [Item(Lane.INTERACTIONS, b'{"model":"%s"}' % name.encode()) for name in names]


def models(stub: Stub) -> list[str]:
    return sorted(item["model"] for item in stub.items())


def segments(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("*.seg"))


def test_an_outage_costs_nothing(make_client: MakeClient, stub: Stub) -> None:
    stub.answer = lambda _: Answer(503)
    client = make_client()
    for number in range(20):
        client.record(model=str(number))
    wait_until(lambda: client.stats().spooled == 20)

    stub.answer = accepts
    stub.requests.clear()

    assert client.flush()
    assert models(stub) == sorted(map(str, range(20)))
    assert (client.stats().sent, client.stats().dropped, client.stats().pending) == (20, 0, 0)


def test_a_server_that_is_gone_and_comes_back_gets_everything(
    make_client: MakeClient, stub: Stub, tmp_path: Path
) -> None:
    with serving() as other:
        port = other.port
    client = make_client(base_url=f"http://127.0.0.1:{port}")
    client.record(model="early")
    wait_until(lambda: client.stats().spooled == 1)

    with serving(port) as back:
        back.wait_for_requests(1)
        client.record(model="late")
        assert client.flush()

        assert models(back) == ["early", "late"]
    assert segments(tmp_path / "spool") == []


def test_without_a_spool_an_outage_is_sat_out_in_memory(
    make_client: MakeClient, stub: Stub
) -> None:
    stub.answer = lambda _: Answer(500)
    client = make_client(spool_dir="off")
    for number in range(5):
        client.record(model=str(number))
    stub.wait_for_requests(2)

    stub.answer = accepts
    stub.requests.clear()

    assert client.flush()
    assert [item["model"] for item in stub.items()] == list("01234")


def test_an_unknown_key_is_said_once_and_costs_nothing(
    make_client: MakeClient, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    stub.answer = lambda _: Answer(401, b"who are you")
    client = make_client()
    with caplog.at_level(logging.WARNING, "leeway"):
        client.record(model="a")
        wait_until(lambda: client.stats().spooled == 1)
        client.record(model="b")
        wait_until(lambda: client.stats().spooled == 2)

    stub.answer = accepts
    stub.requests.clear()

    assert client.flush()
    assert models(stub) == ["a", "b"]
    assert [record.message for record in caplog.records] == [
        "The server does not take items (they are kept): 401 who are you"
    ]


def test_while_a_request_hangs_what_fills_the_memory_goes_to_disk(
    make_client: MakeClient, stub: Stub
) -> None:
    client = make_client(limits=replace(QUICK, memory_items=40))
    release = stub.hold()
    client.record(model="hangs")
    stub.wait_for_requests(1)

    for number in range(200):
        client.record(model=str(number))
        wait_until(lambda: client.stats().pending < 40)
    spooled = client.stats().spooled
    release.set()

    assert spooled > 0
    assert client.flush()
    assert (client.stats().sent, client.stats().dropped) == (201, 0)


def test_what_is_left_at_the_shutdown_is_sent_by_the_next_start(
    make_client: MakeClient, stub: Stub
) -> None:
    stub.answer = lambda _: Answer(503)
    first = make_client()
    first.record(model="left")
    assert first.shutdown()
    stub.answer = accepts
    stub.requests.clear()

    second = make_client()
    second.start()

    stub.wait_for_requests(1)
    wait_until(lambda: second.stats().sent == 1)
    assert models(stub) == ["left"]
    assert (second.stats().recovered, second.stats().accepted) == (1, 0)


def test_a_request_that_hangs_at_the_shutdown_is_kept(
    make_client: MakeClient, stub: Stub, tmp_path: Path
) -> None:
    release = threading.Event()
    stub.answer = lambda _: Answer(500 + release.wait(PATIENCE_SECONDS))
    client = make_client()
    client.record(model="hangs")
    stub.wait_for_requests(1)

    kept = client.shutdown(timeout=0.1)
    answered_before = release.is_set()
    release.set()

    assert (kept, answered_before) == (True, False)
    [left] = segments(tmp_path / "spool")
    assert [item.lane for item in segment.unpack(left.read_bytes()).items] == [Lane.INTERACTIONS]


def test_a_killed_process_leaves_its_spool_to_another(stub: Stub, tmp_path: Path) -> None:
    with serving() as gone:
        dead_url = gone.url
    victim = program(
        "import leeway, time\n"
        "for n in range(50): leeway.record(model=str(n))\n"
        "while leeway.stats().spooled < 50: time.sleep(0.01)\n"
        "print('spooled', flush=True)\n"
        "time.sleep(60)\n",
        dead_url,
        tmp_path,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "spooled\n"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stdout.close()

    options = leeway.Options("lk_test", stub.url, spool_dir=tmp_path, limits=QUICK)
    with leeway.Client(options) as client:
        wait_until(lambda: client.stats().sent == 50)

    assert models(stub) == sorted(map(str, range(50)))
    assert segments(tmp_path) == []


def test_the_exit_of_a_process_sends_what_it_has(stub: Stub, tmp_path: Path) -> None:
    done = program("import leeway\nleeway.record(model='last words')", stub.url, tmp_path)
    done.communicate(timeout=PATIENCE_SECONDS)

    assert done.returncode == 0
    assert models(stub) == ["last words"]


def test_the_exit_of_a_process_keeps_what_it_cannot_send(tmp_path: Path) -> None:
    with serving() as gone:
        dead_url = gone.url
    done = program("import leeway\nleeway.record(model='last words')", dead_url, tmp_path)
    done.communicate(timeout=PATIENCE_SECONDS)

    assert done.returncode == 0
    assert sum(len(segment.unpack(path.read_bytes()).items) for path in segments(tmp_path)) == 1


def test_two_processes_never_claim_the_same_segment(tmp_path: Path) -> None:
    writer, reader = Spool(tmp_path, Limits()), Spool(tmp_path, Limits())
    writer.append(items("a"))

    while_written = reader.claim()
    own = writer.claim()
    while_sent = reader.claim()

    assert while_written is None
    assert own is not None
    assert while_sent is None
    own.release()
    again = reader.claim()
    assert again is not None
    assert again.items == items("a")
    again.discard()
    assert writer.claim() is None


def test_a_torn_tail_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = segment.MAGIC + segment.pack(items("a", "b", "c"))
    (tmp_path / "1.seg").write_bytes(whole[:-5])

    claim = Spool(tmp_path, Limits()).claim()

    assert claim is not None
    assert claim.items == items("a", "b")
    claim.release()
    assert "torn tail" in caplog.text


def test_a_flipped_bit_costs_only_its_record(tmp_path: Path) -> None:
    whole = bytearray(segment.MAGIC + segment.pack(items("a", "b", "c")))
    whole[whole.index(b'"b"') + 1] ^= 1
    (tmp_path / "1.seg").write_bytes(whole)

    claim = Spool(tmp_path, Limits()).claim()

    assert claim is not None
    assert (claim.items, claim.damaged) == (items("a", "c"), 1)
    claim.release()


def test_a_file_that_is_no_segment_is_removed(tmp_path: Path) -> None:
    (tmp_path / "1.seg").write_bytes(b"what is this")

    assert Spool(tmp_path, Limits()).claim() is None
    assert segments(tmp_path) == []


def test_a_full_spool_loses_the_oldest_and_says_how_many(tmp_path: Path) -> None:
    size = len(segment.MAGIC + segment.pack(items("aa")))
    spool = Spool(tmp_path, Limits(spool_bytes=2 * size, segment_bytes=1))

    lost = [spool.append(items(name)) for name in ("a1", "b2", "c3")]

    assert lost == [0, 0, 1]
    kept = [segment.unpack(path.read_bytes()).items for path in segments(tmp_path)]
    assert kept == [items("b2"), items("c3")]


def test_what_is_larger_than_the_spool_is_lost_and_costs_nothing_else(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(spool_bytes=100))
    spool.append(items("a"))

    assert spool.append(items("x" * 200)) == 1
    spool.close()
    assert [segment.unpack(path.read_bytes()).items for path in segments(tmp_path)] == [items("a")]


def test_the_spool_is_for_its_owner_only(tmp_path: Path) -> None:
    Spool(tmp_path / "spool", Limits()).append(items("a"))

    [path] = segments(tmp_path / "spool")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_disk_that_refuses_leaves_the_items_in_memory(
    make_client: MakeClient, stub: Stub, tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    stub.answer = lambda _: Answer(503)
    client = make_client(spool_dir=tmp_path / "a file" / "spool")
    client.record(model="m")
    stub.wait_for_requests(1)

    stub.answer = accepts
    stub.requests.clear()

    assert client.flush()
    assert models(stub) == ["m"]
    assert client.stats().spooled == 0
