from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class SpanEnded(_message.Message):
    __slots__ = ("trace_id", "span_id", "parent_span_id", "tenant", "project", "environment", "name", "kind", "status", "status_message", "started_at_us", "ended_at_us", "service_name", "session_id", "user_id", "attributes", "events", "time_suspect", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_US_FIELD_NUMBER: _ClassVar[int]
    SERVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    TIME_SUSPECT_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    span_id: str
    parent_span_id: str
    tenant: str
    project: str
    environment: str
    name: str
    kind: str
    status: str
    status_message: str
    started_at_us: int
    ended_at_us: int
    service_name: str
    session_id: str
    user_id: str
    attributes: _containers.ScalarMap[str, str]
    events: str
    time_suspect: bool
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., status: _Optional[str] = ..., status_message: _Optional[str] = ..., started_at_us: _Optional[int] = ..., ended_at_us: _Optional[int] = ..., service_name: _Optional[str] = ..., session_id: _Optional[str] = ..., user_id: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., events: _Optional[str] = ..., time_suspect: _Optional[bool] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
