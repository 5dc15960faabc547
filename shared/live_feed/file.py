"""The last snapshot on disk: what a process starts from while the registry is down."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from google.protobuf.message import DecodeError

from leeway_pb.v1.registry_rpc_pb2 import SnapshotFile

from shared.clock import from_micros, micros
from shared.errors import Invalid
from shared.live_feed.told import Told
from shared.private_file import write_private

_FORM = b"leeway live 1 "


@dataclass(frozen=True, slots=True)
class Kept:
    """What was live, and when the registry last said so."""

    told: Told
    current_at: datetime


class LiveFile:
    """A file of mode 0600, sealed with the installation's pepper; it holds no secret, only keyed hashes."""

    def __init__(self, path: Path, pepper: bytes) -> None:
        self._path = path
        self._pepper = pepper

    def read(self) -> Kept | None:
        """What is kept; None when nothing is. Raises `Invalid` for what this installation did not write whole."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Invalid(f"{self._path}: cannot be read ({error.strerror}).") from error
        head, _, body = content.partition(b"\n")
        if not hmac.compare_digest(head, self._head(body)):
            raise Invalid(f"{self._path}: is damaged, or of another installation; delete it.")
        try:
            file = SnapshotFile.FromString(body)
        except DecodeError as error:
            raise Invalid(f"{self._path}: is of another version; delete it.") from error
        return Kept(Told(file.revision, file.changes), from_micros(file.current_at_us))

    def write(self, kept: Kept) -> None:
        """Replace what is kept, all or nothing. Raises `OSError`."""
        body = SnapshotFile(
            revision=kept.told.revision,
            current_at_us=micros(kept.current_at),
            changes=kept.told.changes,
        ).SerializeToString()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._path, self._head(body) + b"\n" + body)

    def _head(self, body: bytes) -> bytes:
        return _FORM + hmac.new(self._pepper, _FORM + body, hashlib.sha256).hexdigest().encode()
