"""What a batch is about to do, as messages: written down whole first, it can be done again after a kill."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.log.record import Record

PART_BYTES = (
    1024 * 1024
)  # of a part; what makes it full comes on top, and a message holds eight times as much

State = tuple[str, bytes | None]
"""The name of a state and its new value; None when it is to be removed."""

Entry = State | Record

_PART = msgspec.msgpack.Decoder(tuple[int, list[Entry]])
_WRITER = msgspec.msgpack.Encoder(enc_hook=dict)  # headers may be a view of a mapping


@dataclass(frozen=True, slots=True)
class Undertaking:
    """The states that change, and the records that are told."""

    states: Mapping[str, bytes | None] = field(default_factory=dict)
    records: Sequence[Record] = ()


def written(batch: int, undertaking: Undertaking) -> list[bytes]:
    """What a batch is about to do, as parts of bounded size."""
    entries: list[Entry] = [*undertaking.states.items(), *undertaking.records]
    return [_WRITER.encode((batch, part)) for part in _parts(entries)]


def read(batch: int, parts: Iterable[bytes]) -> Undertaking:
    """What was written; nothing when a part is of another batch, for that is begun when all of this is done."""
    decoded = [_PART.decode(part) for part in parts]
    if any(number != batch for number, _ in decoded):
        return Undertaking()
    entries = [entry for _, part in decoded for entry in part]
    return Undertaking(
        states=dict(entry for entry in entries if not isinstance(entry, Record)),
        records=tuple(entry for entry in entries if isinstance(entry, Record)),
    )


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    part: list[Entry] = []
    size = 0
    for entry in entries:
        part.append(entry)
        size += len((entry.value if isinstance(entry, Record) else entry[1]) or b"")
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
