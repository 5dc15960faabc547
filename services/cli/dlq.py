"""`leeway dlq`: the records that groups gave up on, why, and playing them again."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from rich.console import Console
from rich.table import Table

from leeway_pb.v1 import (  # noqa: F401 (importing them makes their messages known by name)
    alert_pb2,
    detection_pb2,
    embedding_pb2,
    feedback_pb2,
    interaction_pb2,
    registry_pb2,
    score_pb2,
    span_pb2,
    usage_pb2,
)

from services.cli.control import JsonOption
from services.cluster import cluster_of
from services.settings import Installation
from shared.clock import SystemClock
from shared.errors import Invalid, NotFound
from shared.log.kafka.letters import KafkaLetters
from shared.log.letters import FolderLetters, Letter, Letters

app = typer.Typer(
    help="Dead letters: list, show, replay.", no_args_is_help=True, add_completion=False
)

IdArgument = Annotated[str, typer.Argument(help="The letter's id, as the list shows it.")]
GroupOption = Annotated[str, typer.Option(help="Only what this group gave up on.")]
TopicOption = Annotated[str, typer.Option(help="Only what was in this topic.")]
TenantOption = Annotated[str, typer.Option(help="Only this tenant's.")]


@app.command("list")
def list_letters(
    group: GroupOption = "",
    topic: TopicOption = "",
    tenant: TenantOption = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """List what was given up on, and why."""
    found = _matching(_read(_letters(), values=False), group, topic, tenant)
    if as_json:
        for letter in found:
            print(orjson.dumps(_about(letter)).decode())
        return
    table = Table("id", "accepted", "group", "topic", "tenant", "event id", "bytes", "reason")
    for letter in found:
        about = _about(letter)
        table.add_row(*(str(about[name]) for name in _COLUMNS))
    Console().print(table)


@app.command()
def show(letter_id: IdArgument) -> None:
    """Show one letter whole, as JSON: its value as the message that it should be, or else its bytes."""
    letter = _named(_read(_letters()), [letter_id])[0]
    whole = {**_about(letter), "headers": dict(letter.record.headers), **_value(letter)}
    print(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())


@app.command()
def replay(
    letter_ids: Annotated[
        list[str] | None, typer.Argument(help="Letters' ids; or choose with options.")
    ] = None,
    group: GroupOption = "",
    topic: TopicOption = "",
    tenant: TenantOption = "",
) -> None:
    """Play letters again, each for the group that gave up on it alone. The letters stay listed."""
    if not (letter_ids or group or topic or tenant):
        raise Invalid(
            "Name the letters to play again, or choose them with --group, --topic, --tenant."
        )
    letters = _letters()
    found = _matching(_read(letters), group, topic, tenant)
    chosen = _named(found, letter_ids) if letter_ids else found
    asyncio.run(letters.replay(chosen))
    print(f"{len(chosen)} played again.")


_COLUMNS = ("id", "accepted_at", "group", "topic", "tenant", "event_id", "bytes", "reason")


def _letters() -> Letters:
    installation = Installation()
    cluster = cluster_of(installation)
    if cluster is not None:
        return KafkaLetters(cluster, SystemClock())
    return FolderLetters(installation.log_folder, SystemClock())


def _read(letters: Letters, *, values: bool = True) -> Sequence[Letter]:
    return asyncio.run(letters.read(values=values))


def _matching(letters: Sequence[Letter], group: str, topic: str, tenant: str) -> list[Letter]:
    return [
        letter
        for letter in letters
        if group in {"", letter.group}
        and topic in {"", letter.topic.name}
        and tenant in {"", letter.record.key}
    ]


def _named(letters: Sequence[Letter], letter_ids: Sequence[str]) -> list[Letter]:
    by_id = {letter.letter_id: letter for letter in letters}
    missing = [letter_id for letter_id in letter_ids if letter_id not in by_id]
    if missing:
        raise NotFound(
            f"There is no dead letter {', '.join(missing)}: `leeway dlq list` shows all."
        )
    return [by_id[letter_id] for letter_id in letter_ids]


def _about(letter: Letter) -> dict[str, object]:
    record = letter.record
    accepted_at_us = int(record.headers.get("accepted_at_us", record.accepted_at_us))
    return {
        "id": letter.letter_id,
        "accepted_at": f"{datetime.fromtimestamp(accepted_at_us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}",
        "group": letter.group,
        "topic": letter.topic.name,
        "tenant": record.key,
        "event_id": record.event_id,
        "bytes": letter.size,
        "reason": letter.reason,
    }


def _value(letter: Letter) -> dict[str, object]:
    """The value, decoded; what cannot be is shown as hexadecimal."""
    kind = Default().FindMessageTypeByName(f"leeway_pb.v1.{letter.topic.message}")
    try:
        message = GetMessageClass(kind).FromString(letter.record.value)
    except DecodeError as fault:
        return {"not_decoded": str(fault), "value_hex": letter.record.value.hex()}
    return {"value": MessageToDict(message, preserving_proto_field_name=True)}
