"""What the store answers when it refuses: ClickHouse's number, its name and one sentence."""

import re

from shared.errors import LeewayError

_PREFIX = re.compile(r"\A(?:Code: (\d+)\. DB::Exception: )+")
_SUFFIX = re.compile(r"(?:\s*\(version [^()]*\)\.?|\s*\(([A-Z][A-Z0-9_]*)\)\.?)+\s*\Z")
_LAST_NAME = re.compile(r"\(([A-Z][A-Z0-9_]*)\)")

SYNTAX_ERROR = (62, "SYNTAX_ERROR")
CANNOT_PARSE_INPUT = (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED")
READONLY = (164, "READONLY")
BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
TOO_MANY_SIMULTANEOUS_QUERIES = (202, "TOO_MANY_SIMULTANEOUS_QUERIES")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
ACCESS_DENIED = (497, "ACCESS_DENIED")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
QUERY_IS_TOO_LARGE = (66, "QUERY_IS_TOO_LARGE")
CANNOT_DECOMPRESS = (271, "CANNOT_DECOMPRESS")
ABORTED = (236, "ABORTED")
NOT_ENOUGH_SPACE = (243, "NOT_ENOUGH_SPACE")
UNKNOWN_DATABASE = (81, "UNKNOWN_DATABASE")
UNKNOWN_FORMAT = (73, "UNKNOWN_FORMAT")
REQUIRED_PASSWORD = (194, "REQUIRED_PASSWORD")
UNKNOWN_EXCEPTION = (1002, "UNKNOWN_EXCEPTION")


class SqlFault(LeewayError):
    """A statement that was not run, or failed: `number` and `name` are ClickHouse's own."""

    def __init__(self, code: tuple[int, str], message: str) -> None:
        self.number, self.name = code
        super().__init__(message, code=f"clickhouse_{self.number}")


def fault_of(text: str) -> SqlFault:
    """The fault in an engine's message, its repeated prefixes and suffixes taken off.

    >>> fault = fault_of("Code: 60. DB::Exception: Code: 60. DB::Exception: No t. (UNKNOWN_TABLE)")
    >>> fault.number, fault.name, fault.message
    (60, 'UNKNOWN_TABLE', 'No t.')
    """
    prefix = _PREFIX.match(text)
    number = int(prefix[1]) if prefix else UNKNOWN_EXCEPTION[0]
    body = text[prefix.end() :] if prefix else text
    suffix = _SUFFIX.search(body)
    names = _LAST_NAME.findall(suffix[0]) if suffix else []
    name = names[-1] if names else UNKNOWN_EXCEPTION[1]
    return SqlFault((number, name), body[: suffix.start()] if suffix else body)
