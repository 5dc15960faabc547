from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class InteractionEmbedded(_message.Message):
    __slots__ = ("interaction_id", "tenant", "project", "environment", "request_model", "embedder", "part", "vector", "started_at_us", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    INTERACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MODEL_FIELD_NUMBER: _ClassVar[int]
    EMBEDDER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    interaction_id: str
    tenant: str
    project: str
    environment: str
    request_model: str
    embedder: str
    part: str
    vector: _containers.RepeatedScalarFieldContainer[float]
    started_at_us: int
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, interaction_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., request_model: _Optional[str] = ..., embedder: _Optional[str] = ..., part: _Optional[str] = ..., vector: _Optional[_Iterable[float]] = ..., started_at_us: _Optional[int] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
