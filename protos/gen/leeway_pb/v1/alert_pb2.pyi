from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AlertChanged(_message.Message):
    __slots__ = ("alert_id", "tenant", "rule", "dedupe_key", "state", "severity", "title", "body", "occurrences", "started_at_us", "changed_at_us", "evidence", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    DEDUPE_KEY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    OCCURRENCES_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_US_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    tenant: str
    rule: str
    dedupe_key: str
    state: str
    severity: str
    title: str
    body: str
    occurrences: int
    started_at_us: int
    changed_at_us: int
    evidence: str
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, alert_id: _Optional[str] = ..., tenant: _Optional[str] = ..., rule: _Optional[str] = ..., dedupe_key: _Optional[str] = ..., state: _Optional[str] = ..., severity: _Optional[str] = ..., title: _Optional[str] = ..., body: _Optional[str] = ..., occurrences: _Optional[int] = ..., started_at_us: _Optional[int] = ..., changed_at_us: _Optional[int] = ..., evidence: _Optional[str] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
