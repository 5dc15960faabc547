from leeway_pb.v1 import registry_pb2 as _registry_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SnapshotRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SnapshotPart(_message.Message):
    __slots__ = ("revision", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changes: _containers.RepeatedCompositeFieldContainer[_registry_pb2.RegistryChanged]
    def __init__(self, revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[_registry_pb2.RegistryChanged, _Mapping]]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after_revision",)
    AFTER_REVISION_FIELD_NUMBER: _ClassVar[int]
    after_revision: int
    def __init__(self, after_revision: _Optional[int] = ...) -> None: ...

class WatchReply(_message.Message):
    __slots__ = ("revision", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changes: _containers.RepeatedCompositeFieldContainer[_registry_pb2.RegistryChanged]
    def __init__(self, revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[_registry_pb2.RegistryChanged, _Mapping]]] = ...) -> None: ...

class SnapshotFile(_message.Message):
    __slots__ = ("revision", "current_at_us", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_AT_US_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    current_at_us: int
    changes: _containers.RepeatedCompositeFieldContainer[_registry_pb2.RegistryChanged]
    def __init__(self, revision: _Optional[int] = ..., current_at_us: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[_registry_pb2.RegistryChanged, _Mapping]]] = ...) -> None: ...
