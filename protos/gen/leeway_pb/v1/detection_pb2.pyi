from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DriftDetected(_message.Message):
    __slots__ = ("detection_id", "tenant", "project", "environment", "request_model", "feature", "detector", "statistic", "threshold", "target_run_length", "reference_size", "window_size", "change_at_us", "detected_at_us", "direction", "summary", "evidence", "interaction_ids", "model_run_length", "_producer", "_epoch", "_seq", "_partition", "_offset", "_accepted_at_us")
    DETECTION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_MODEL_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    DETECTOR_FIELD_NUMBER: _ClassVar[int]
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TARGET_RUN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SIZE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_AT_US_FIELD_NUMBER: _ClassVar[int]
    DETECTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    INTERACTION_IDS_FIELD_NUMBER: _ClassVar[int]
    MODEL_RUN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    _PRODUCER_FIELD_NUMBER: _ClassVar[int]
    _EPOCH_FIELD_NUMBER: _ClassVar[int]
    _SEQ_FIELD_NUMBER: _ClassVar[int]
    _PARTITION_FIELD_NUMBER: _ClassVar[int]
    _OFFSET_FIELD_NUMBER: _ClassVar[int]
    _ACCEPTED_AT_US_FIELD_NUMBER: _ClassVar[int]
    detection_id: str
    tenant: str
    project: str
    environment: str
    request_model: str
    feature: str
    detector: str
    statistic: float
    threshold: float
    target_run_length: float
    reference_size: int
    window_size: int
    change_at_us: int
    detected_at_us: int
    direction: str
    summary: str
    evidence: str
    interaction_ids: _containers.RepeatedScalarFieldContainer[str]
    model_run_length: float
    _producer: str
    _epoch: str
    _seq: int
    _partition: int
    _offset: int
    _accepted_at_us: int
    def __init__(self, detection_id: _Optional[str] = ..., tenant: _Optional[str] = ..., project: _Optional[str] = ..., environment: _Optional[str] = ..., request_model: _Optional[str] = ..., feature: _Optional[str] = ..., detector: _Optional[str] = ..., statistic: _Optional[float] = ..., threshold: _Optional[float] = ..., target_run_length: _Optional[float] = ..., reference_size: _Optional[int] = ..., window_size: _Optional[int] = ..., change_at_us: _Optional[int] = ..., detected_at_us: _Optional[int] = ..., direction: _Optional[str] = ..., summary: _Optional[str] = ..., evidence: _Optional[str] = ..., interaction_ids: _Optional[_Iterable[str]] = ..., model_run_length: _Optional[float] = ..., _producer: _Optional[str] = ..., _epoch: _Optional[str] = ..., _seq: _Optional[int] = ..., _partition: _Optional[int] = ..., _offset: _Optional[int] = ..., _accepted_at_us: _Optional[int] = ...) -> None: ...
