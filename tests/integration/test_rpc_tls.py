"""Mutual TLS between services: who gets in, and what everyone else is told."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from leeway_pb.v1.ingest_rpc_pb2 import RecordReply, RecordRequest
from leeway_pb.v1.ingest_rpc_pb2_grpc import IngestStub

from services.local.certificates import Validity
from shared.clock import SimulatedClock, SystemClock
from shared.errors import Invalid
from shared.live_feed.source import RegistryLink
from shared.rpc.callers import require_service
from shared.rpc.channel import Peer, Retries
from shared.rpc.door import Door
from shared.rpc.errors import error_of
from shared.rpc.tls import Identity, TlsFiles, channel_credentials
from tests.rpc import Answering, a_server, a_stub, accept, certificates, failure_of

IMPATIENT = Retries(attempts=2, budget=1)


def a_door(tls: TlsFiles) -> Door:
    return Door(tls=tls, stop_seconds=0)


async def for_serving(request: RecordRequest, context: Any) -> RecordReply:
    require_service(context, ["serving"])
    return RecordReply(accepted=1)


def credentials_of(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials of files that our own channel would refuse to read."""
    paths = (files.ca, files.certificate, files.key)
    return channel_credentials(Identity(*(path.read_bytes() for path in paths)))


async def refusal(server_tls: TlsFiles, client_tls: TlsFiles) -> str:
    """What a caller is told that does not get through."""
    async with (
        a_server(Answering(accept), a_door(server_tls)) as server,
        a_stub(server, client_tls, IMPATIENT) as stub,
    ):
        failure = await failure_of(stub.Record(RecordRequest(), timeout=5))
    return error_of(failure, "registry").message


async def test_a_service_with_a_certificate_of_the_ca_gets_in(tmp_path: Path) -> None:
    registry, serving = certificates(tmp_path, "registry", "serving")

    async with (
        a_server(Answering(for_serving), a_door(registry)) as server,
        a_stub(server, serving) as stub,
    ):
        assert await stub.Record(RecordRequest()) == RecordReply(accepted=1)


async def test_a_service_that_is_not_on_the_list_is_denied_by_name(tmp_path: Path) -> None:
    registry, billing = certificates(tmp_path, "registry", "billing")

    async with (
        a_server(Answering(for_serving), a_door(registry)) as server,
        a_stub(server, billing) as stub,
    ):
        failure = await failure_of(stub.Record(RecordRequest()))

    assert failure.code() is grpc.StatusCode.PERMISSION_DENIED
    assert failure.details() == (
        "The certificate of 'billing, localhost' may not ask this: expected one of serving."
    )


async def test_a_caller_of_another_ca_is_refused(tmp_path: Path) -> None:
    (registry,) = certificates(tmp_path / "ours", "registry")
    (stranger,) = certificates(tmp_path / "theirs", "serving")
    ours = TlsFiles(registry.ca, stranger.certificate, stranger.key)

    async with a_server(Answering(accept), a_door(registry)) as server:
        failure = await failure_of(_asked_as(credentials_of(ours), server.port))

    assert error_of(failure, "registry").message == (
        "registry cannot be reached: it closed the connection, as a peer does that refuses the "
        "certificate shown, or got none."
    )
    with pytest.raises(Invalid, match=r"serving\.crt: was not issued by the CA in .*ca\.crt"):
        ours.read(SystemClock().now())


async def test_a_caller_without_a_certificate_is_refused(tmp_path: Path) -> None:
    (registry,) = certificates(tmp_path, "registry")

    async with a_server(Answering(accept), a_door(registry)) as server:
        bare = grpc.ssl_channel_credentials(registry.ca.read_bytes())
        failure = await failure_of(_asked_as(bare, server.port))

    assert "or got none" in error_of(failure, "registry").message


async def test_a_caller_in_the_clear_is_refused(tmp_path: Path) -> None:
    (registry,) = certificates(tmp_path, "registry")

    async with (
        a_server(Answering(accept), a_door(registry)) as server,
        a_stub(server, None, IMPATIENT) as stub,
    ):
        failure = await failure_of(stub.Record(RecordRequest(), timeout=5))

    assert "or got none" in error_of(failure, "registry").message


async def test_a_server_of_another_ca_is_not_believed(tmp_path: Path) -> None:
    (registry,) = certificates(tmp_path / "theirs", "registry")
    (serving,) = certificates(tmp_path / "ours", "serving")

    assert await refusal(registry, serving) == (
        "registry cannot be reached: its certificate is not of the CA that is trusted here."
    )


async def test_a_server_that_is_another_service_is_not_believed(tmp_path: Path) -> None:
    billing, serving = certificates(tmp_path, "billing", "serving")

    assert await refusal(billing, serving) == (
        "registry cannot be reached: its certificate does not bear this name."
    )


def yesterday_only() -> Validity:
    now = SystemClock().now()
    return Validity(now - timedelta(days=2), now - timedelta(days=1))


async def test_a_certificate_that_expired_stops_the_start_and_the_call(tmp_path: Path) -> None:
    (expired,) = certificates(tmp_path, "registry", validity=yesterday_only())

    with pytest.raises(Invalid, match=r"registry\.crt: the certificate expired at \d{4}-"):
        async with a_server(Answering(accept), a_door(expired)):
            pass
    with pytest.raises(Invalid, match=r"registry\.crt: the certificate expired at \d{4}-"):
        async with RegistryLink(Peer("registry", "127.0.0.1:1", expired), SystemClock()).connect():
            pass


async def test_a_server_whose_certificate_expires_while_it_runs_is_told_so(tmp_path: Path) -> None:
    validity = yesterday_only()
    (expired,) = certificates(tmp_path / "old", "registry", validity=validity)
    (serving,) = certificates(tmp_path / "new", "serving")
    both = TlsFiles(expired.ca, serving.certificate, serving.key)
    started = SimulatedClock(validity.begins)

    async with a_server(Answering(accept), a_door(expired), clock=started) as server:
        failure = await failure_of(_asked_as(credentials_of(both), server.port))

    assert error_of(failure, "registry").message == (
        "registry cannot be reached: its certificate has expired."
    )


async def test_a_caller_whose_certificate_expired_is_refused(tmp_path: Path) -> None:
    (registry,) = certificates(tmp_path / "new", "registry")
    (expired,) = certificates(tmp_path / "old", "serving", validity=yesterday_only())
    shown = TlsFiles(registry.ca, expired.certificate, expired.key)
    both = tmp_path / "both.crt"  # so that the age is all that is wrong with it
    both.write_bytes(registry.ca.read_bytes() + expired.ca.read_bytes())
    door = a_door(TlsFiles(both, registry.certificate, registry.key))

    async with a_server(Answering(accept), door) as server:
        failure = await failure_of(_asked_as(credentials_of(shown), server.port))

    assert "refuses the certificate shown" in error_of(failure, "registry").message


async def test_a_replaced_certificate_is_used_from_the_next_connection_on(tmp_path: Path) -> None:
    (first,) = certificates(tmp_path / "first", "registry")
    files, newer = (
        _copies(tmp_path / "live", first),
        certificates(tmp_path / "second", "registry")[0],
    )

    async with a_server(Answering(accept), a_door(files)) as server:
        async with a_stub(server, first) as stub:
            await stub.Record(RecordRequest())
        _put(files, newer, ["ca", "certificate", "key"])
        async with a_stub(server, newer) as stub:
            assert await stub.Record(RecordRequest()) == RecordReply()


async def test_a_half_replaced_certificate_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    (first,) = certificates(tmp_path / "first", "registry")
    files, newer = (
        _copies(tmp_path / "live", first),
        certificates(tmp_path / "second", "registry")[0],
    )

    async with a_server(Answering(accept), a_door(files)) as server:
        _put(files, newer, ["certificate"])
        async with a_stub(server, first) as stub:
            assert await stub.Record(RecordRequest()) == RecordReply()


async def test_applications_need_no_certificate_of_their_own(tmp_path: Path) -> None:
    (ingest,) = certificates(tmp_path, "ingest")
    door = Door(tls=ingest, between_services=False, stop_seconds=0)

    async with a_server(Answering(accept), door) as server:
        bare = grpc.ssl_channel_credentials(ingest.ca.read_bytes())
        assert await _asked_as(bare, server.port, name="ingest") == RecordReply()


async def _asked_as(
    credentials: grpc.ChannelCredentials, port: int, name: str = "registry"
) -> object:
    options = [("grpc.ssl_target_name_override", name)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        return await IngestStub(channel).Record(RecordRequest(), timeout=5)  # type: ignore[no-untyped-call]


def _copies(folder: Path, files: TlsFiles) -> TlsFiles:
    folder.mkdir()
    copies = TlsFiles(folder / "ca.crt", folder / "own.crt", folder / "own.key")
    _put(copies, files, ["ca", "certificate", "key"])
    return copies


def _put(to: TlsFiles, files: TlsFiles, names: Iterable[str]) -> None:
    for name in names:
        path: Path = getattr(to, name)
        draft = path.with_suffix(".draft")
        draft.write_bytes(getattr(files, name).read_bytes())
        draft.replace(path)
