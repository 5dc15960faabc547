"""The ids that Kafka gives topics (KIP-516): a topic deleted and made anew has another id.

aiokafka asks for metadata in version 5; ids came with version 10, so version 12 is spelt out here
(https://kafka.apache.org/protocol#The_Messages_Metadata).
"""

import uuid
from collections.abc import Iterable, Mapping
from io import BytesIO

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from shared.errors import Unavailable
from shared.log.kafka.cluster import Cluster

_ANY = bytes(16)
_NO_TAGS: dict[int, bytes] = {}
_NO_EXTRAS = (False, False)  # neither make what is missing, nor tell what the caller may do


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_TEXT = CompactString("utf-8")
_BROKER = (("id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields))
_PARTITION = (
    ("error_code", Int16),
    ("index", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("in_sync", CompactArray(Int32)),
    ("offline", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("name", _TEXT),
    ("id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("operations", Int32),
    ("tags", TaggedFields),
)


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _TEXT),
        ("controller", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_creation", Boolean),
        ("with_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics = [(_ANY, topic, _NO_TAGS) for topic in topics]

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        return request_struct_class(self._topics, *_NO_EXTRAS, _NO_TAGS)


async def topic_ids(cluster: Cluster, topics: Iterable[str]) -> Mapping[str, str]:
    """The id of each topic, by its name in Kafka. Raises `KafkaError`, and `Unavailable` while one is missing."""
    client = cluster.client()
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), _MetadataRequest(topics))
    finally:
        await client.close()
    missing = [name for code, name, *_ in response.topics if code]
    if missing:
        raise Unavailable(
            f"Kafka has no topic {', '.join(missing)}: `leeway topics apply` makes what is missing."
        )
    return {name: str(uuid.UUID(bytes=raw)) for _, name, raw, *_ in response.topics}
