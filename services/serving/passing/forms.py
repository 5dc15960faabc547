"""Reads a multipart form (RFC 7578) only as far as must be known of it: its texts, and where its files lie."""

import re
from dataclasses import dataclass, field

import orjson
from msgspec import Raw
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.serving.domain.body import Body, JsonObject
from services.serving.domain.passage import Field, Form, Span
from shared.errors import Invalid

MEDIA_TYPE = "multipart/form-data"
MAX_PARTS = 64
MAX_HEADERS = 8
MAX_HEADER_BYTES = 4_096
MAX_TEXT_BYTES = 256 * 1024


def read_form(media_type: str, raw: bytes) -> Form:
    """The form in a body. Raises `Invalid` for what two readers of it could disagree about."""
    delimiter = _delimiter(media_type)
    reading = _Reading(raw)
    parser = MultipartParser(
        delimiter[2:],
        {
            "on_part_begin": reading.begin,
            "on_part_data": reading.data,
            "on_part_end": reading.end,
            "on_header_field": reading.header_name,
            "on_header_value": reading.header_value,
            "on_header_end": reading.header_end,
        },
        max_header_count=MAX_HEADERS,
        max_header_size=MAX_HEADER_BYTES,
    )
    try:
        parser.write(raw)
        parser.finalize()
    except FormParserError as fault:
        raise _broken(str(fault)) from fault
    if not raw.rstrip(b"\r\n").endswith(delimiter + b"--"):
        raise _broken("it does not end")
    return Form(media_type, raw, delimiter, reading.fields, reading.files)


def body_of(form: Form) -> Body:
    """What a form says, as the JSON object that would say it: its texts; `stream` is a boolean there."""
    tree: JsonObject = {name: one.text for name, one in form.fields.items()}
    if "stream" in tree:
        tree["stream"] = tree["stream"].strip().lower() in ("true", "1")
    return Body(tree, {name: Raw(orjson.dumps(value)) for name, value in tree.items()})


@dataclass(slots=True)
class _Reading:
    """What the parser tells, as the places in one whole body."""

    raw: bytes
    fields: dict[str, Field] = field(default_factory=dict)
    files: dict[str, Span] = field(default_factory=dict)
    parts: int = 0
    header: bytes = b""
    value: bytes = b""
    disposition: str = ""
    start: int = -1
    stop: int = -1

    def begin(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise _broken(f"it has more than {MAX_PARTS} parts")
        self.header = self.value = b""
        self.disposition = ""
        self.start = self.stop = -1

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header_end(self) -> None:
        written = self.value.decode("utf-8", "replace")
        if _CONTROL.search(written):
            raise _broken("a header of a part holds a control character")
        if self.header.strip().lower() == b"content-disposition":
            if self.disposition:
                raise _broken("a part says twice what it is")
            self.disposition = written
        self.header = self.value = b""

    def data(self, _: bytes, start: int, end: int) -> None:
        self.start = start if self.start < 0 else self.start
        self.stop = end

    def end(self) -> None:
        name, is_file = _named(self.disposition)
        span = Span(max(self.start, 0), max(self.stop, 0))
        if is_file:
            self.files.setdefault(name, span)
            return
        if name in self.fields and not name.endswith("[]"):
            raise _broken(f"the field {name[:64]!r} stands twice in it")
        if span.end - span.start > MAX_TEXT_BYTES:
            raise _broken(f"the field {name[:64]!r} is longer than {MAX_TEXT_BYTES} bytes")
        self.fields.setdefault(name, Field(_text(self.raw, span, name), span.start, span.end))


def _delimiter(media_type: str) -> bytes:
    _, options = parse_options_header(media_type)
    boundary = options.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise _broken("its boundary is missing, or none")
    return b"--" + boundary


def _named(disposition: str) -> tuple[str, bool]:
    """The field's name, and whether it is a file. A name in two spellings could be read as either."""
    match = _DISPOSITION.fullmatch(disposition.strip())
    if match is None:
        raise _broken("a part does not say as which field it comes")
    options = [pair.partition("=")[0].strip().lower() for pair in _OPTION.findall(match[1])]
    if len(set(options)) != len(options) or "name*" in options or "name" not in options:
        raise _broken("a part does not say once as which field it comes")
    _, values = parse_options_header(disposition)
    name = values[b"name"].decode("latin-1")
    return name, "filename" in options or "filename*" in options


def _text(raw: bytes, span: Span, name: str) -> str:
    try:
        return raw[span.start : span.end].decode()
    except UnicodeDecodeError as fault:
        raise _broken(f"the field {name[:64]!r} is not UTF-8") from fault


def _broken(what: str) -> Invalid:
    return Invalid(f"The form is wrong: {what}.", code="invalid_form")


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_OPTION = re.compile(r';\s*([\w*-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;"\s]*))')
_DISPOSITION = re.compile(r'form-data((?:\s*;\s*[\w*-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;"\s]*))+)')
