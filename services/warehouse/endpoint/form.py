"""The fields of a multipart form, as clients send a query whose bound values are too long for an address.

The body is cut at its boundary (RFC 2046, section 5.1.1) and nothing is passed over: no preamble, no epilogue,
no field twice. The headers of a part are the standard library's to read; its parser of whole messages
recurses into nested ones as deep as a sender likes, so it never sees a body.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from services.warehouse.faults import (
    BAD_ARGUMENTS,
    CANNOT_PARSE_INPUT,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    SqlFault,
)

FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What a form may hold; ClickHouse's own limit of a field is 128 KiB, and too little for long lists."""

    fields: int = 1_000
    field_bytes: int = 2 * 1024 * 1024
    form_bytes: int = 8 * 1024 * 1024
    head_bytes: int = 1_024
    boundary_characters: int = 70  # RFC 2046


LIMITS = FormLimits()


def read_form(content_type: str, body: bytes, limits: FormLimits = LIMITS) -> Mapping[str, str]:
    """`query` and the `param_*` of a form of `form_bytes` at most, each once. Raises `SqlFault` for anything else."""
    fields: dict[str, str] = {}
    for part in _parts(body, _boundary(content_type, limits), limits):
        name, value = _field(part, limits)
        if name in fields:
            raise SqlFault(BAD_ARGUMENTS, f"The form has the field {name} twice.")
        fields[name] = value
    return fields


def _boundary(content_type: str, limits: FormLimits) -> bytes:
    header = Message()
    header["Content-Type"] = content_type
    if header.get_content_type() != FORM:
        raise SqlFault(
            NOT_IMPLEMENTED, f"{header.get_content_type()} is not offered: expected {FORM}."
        )
    boundary = header.get_boundary() or ""
    if not boundary.isascii() or not 0 < len(boundary) <= limits.boundary_characters:
        raise SqlFault(
            CANNOT_PARSE_INPUT,
            f"The Content-Type of a form names its boundary, of 1 to {limits.boundary_characters} ASCII characters.",
        )
    return boundary.encode()


def _parts(body: bytes, boundary: bytes, limits: FormLimits) -> Iterator[bytes]:
    delimiter = b"\r\n--" + boundary
    before, *parts = (b"\r\n" + body).split(delimiter, limits.fields + 2)
    if len(parts) > limits.fields + 1:
        raise SqlFault(QUERY_IS_TOO_LARGE, f"The form has more than {limits.fields} fields.")
    if before or not parts or parts.pop() not in (b"--", b"--\r\n"):
        raise SqlFault(
            CANNOT_PARSE_INPUT,
            "The form does not begin and end with the boundary that its Content-Type names.",
        )
    for part in parts:
        if not part.startswith(b"\r\n"):
            raise SqlFault(CANNOT_PARSE_INPUT, "A boundary in the form does not end its line.")
        yield part[2:]


def _field(part: bytes, limits: FormLimits) -> tuple[str, str]:
    head, blank, value = part.partition(b"\r\n\r\n")
    if not blank or len(head) > limits.head_bytes:
        raise SqlFault(
            CANNOT_PARSE_INPUT,
            f"A field of the form has no headers of at most {limits.head_bytes} bytes.",
        )
    name = _name(BytesHeaderParser().parsebytes(head))
    if len(value) > limits.field_bytes:
        raise SqlFault(
            QUERY_IS_TOO_LARGE,
            f"The field {name} has {len(value)} bytes, more than {limits.field_bytes}.",
        )
    try:
        return name, value.decode()
    except UnicodeDecodeError as fault:
        raise SqlFault(CANNOT_PARSE_INPUT, f"The field {name} is not valid UTF-8.") from fault


def _name(head: Message) -> str:
    if head.get_filename() is not None:
        raise SqlFault(
            NOT_IMPLEMENTED, "External tables are not offered: bind a list as a parameter instead."
        )
    if head.get_content_maintype() == "multipart" or "content-transfer-encoding" in head:
        raise SqlFault(CANNOT_PARSE_INPUT, "A field of the form is plain text, as it is.")
    told = head.get_all("content-disposition", [])
    name = head.get_param("name", header="content-disposition")
    if len(told) != 1 or head.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise SqlFault(CANNOT_PARSE_INPUT, "A field of the form does not say its name, once.")
    if name != "query" and not name.startswith("param_"):
        raise SqlFault(
            BAD_ARGUMENTS,
            f"The form has a field {name[:64]!r}: expected query and param_*; settings go into the address.",
        )
    return name
