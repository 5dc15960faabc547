from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class InteractionScored(_message.Message):
    __slots__ = ("score_id", "tenant", "project", "environment", "interaction_id", "request_model", "evaluator", "evaluator_version", "value", "label", "passed", "explanation", "scored_at_us", "started_at_us", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    SCORE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    INTERACTION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MODEL_FIELD_NUMBER: _ClassVar[int]
    EVALUATOR_FIELD_NUMBER: _ClassVar[int]
    EVALUATOR_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SCORED_AT_US_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    score_id: str
    tenant: str
    project: str
    environment: str
    interaction_id: str
    request_model: str
    evaluator: str
    evaluator_version: str
    value: float
    label: str
    passed: bool
    explanation: str
    scored_at_us: int
    started_at_us: int
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, score_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., interaction_id: _Optional[str] = ..., request_model: _Optional[str] = ..., evaluator: _Optional[str] = ..., evaluator_version: _Optional[str] = ..., value: _Optional[float] = ..., label: _Optional[str] = ..., passed: _Optional[bool] = ..., explanation: _Optional[str] = ..., scored_at_us: _Optional[int] = ..., started_at_us: _Optional[int] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
