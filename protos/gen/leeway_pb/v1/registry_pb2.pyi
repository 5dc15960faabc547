from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class RegistryChanged(_message.Message):
    __slots__ = ("tenant", "revision", "entity", "entity_id", "deleted", "body", "actor", "changed_at_us")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    ENTITY_ID_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_US_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    revision: int
    entity: str
    entity_id: str
    deleted: bool
    body: str
    actor: str
    changed_at_us: int
    def __init__(self, tenant: _Optional[str] = ..., revision: _Optional[int] = ..., entity: _Optional[str] = ..., entity_id: _Optional[str] = ..., deleted: _Optional[bool] = ..., body: _Optional[str] = ..., actor: _Optional[str] = ..., changed_at_us: _Optional[int] = ...) -> None: ...
