"""What a call belongs to, as its headers and its metadata say: session, user, prompt, trace, tags."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.serving.domain.request import PRIVATE_PREFIX
from shared.errors import Invalid
from shared.interactions import Context

MAX_NAME_CHARS = 256
MAX_TAGS = 64
MAX_TAG_KEY_CHARS = 64
MAX_TAG_CHARS = 512


@dataclass(slots=True)
class _Reading:
    """One reading of headers (which win) and metadata, with the faults found on the way."""

    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    faults: list[str] = field(default_factory=list)

    def name(self, header: str, key: str = "") -> str:
        """A short printable text from a header, or else from the metadata."""
        text = self.headers.get(header, "") or self.metadata.get(key, "")
        if not _is_name(text):
            self.faults.append(
                f"'{header if header in self.headers else f'metadata.{key}'}' must be at most "
                f"{MAX_NAME_CHARS} printable characters"
            )
        return text

    def tags(self) -> dict[str, str]:
        """The tags of the header over the pairs of the metadata that mean nothing else here."""
        written = self.headers.get("x-leeway-tags", "")
        own = [name for name in self.metadata if not _is_ours(name)]
        tags = {name: self.metadata[name] for name in own}
        client_id = self.headers.get("x-client-request-id", "")
        if client_id:
            tags["client_request_id"] = client_id
        for pair in filter(None, (part.strip() for part in written.split(","))):
            name, equals, value = pair.partition("=")
            if not equals:
                self.faults.append("'x-leeway-tags' must read 'name=value,name=value'")
            tags[name.strip()] = value.strip()
        if any(not _fits(name, value) for name, value in tags.items()) or len(tags) > MAX_TAGS:
            self.faults.append(
                f"at most {MAX_TAGS} tags, of names up to {MAX_TAG_KEY_CHARS} and values up to "
                f"{MAX_TAG_CHARS} characters"
            )
        return tags


def context_of(
    headers: Mapping[str, str], metadata: Mapping[str, str], span_id: str, *, user: str = ""
) -> Context:
    """The context of a call whose own span is `span_id`. Raises `Invalid` with every fault.

    `user` is whom the request itself names: it stands where neither header nor metadata names one, and
    is passed over when it is no name, for it was written to the upstream and not to us.
    A `traceparent` that is malformed is ignored, as W3C Trace Context section 3.2 wants.
    """
    reading = _Reading(headers, metadata)
    prompt, _, version = reading.name("x-leeway-prompt").partition("@")
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    context = Context(
        session_id=reading.name("x-leeway-session", "session_id"),
        user_id=reading.name("x-leeway-user", "user_id") or (user if _is_name(user) else ""),
        environment=reading.name("x-leeway-environment", "environment"),
        trace_id=trace["trace"] if trace else "",
        span_id=span_id if trace else "",
        parent_span_id=trace["span"] if trace else "",
        prompt_name=prompt,
        prompt_version=version,
        tags=reading.tags(),
    )
    if reading.faults:
        raise Invalid(
            f"The call's context is wrong: {'; '.join(reading.faults)}.",
            faults=tuple(reading.faults),
        )
    return context


def timeout_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that the client gives the whole call; None when it does not say. Raises `Invalid`.

    >>> timeout_of({"x-leeway-timeout-ms": "2500"})
    2.5
    """
    written = headers.get("x-leeway-timeout-ms", "")
    if not written:
        return None
    if not _MILLISECONDS.fullmatch(written):
        raise Invalid(
            f"'x-leeway-timeout-ms' must be a whole number of milliseconds from 1, not {written[:32]!r}.",
            param="x-leeway-timeout-ms",
        )
    return int(written) / 1000


def continued_trace(context: Context) -> str:
    """The `traceparent` by which an upstream continues the caller's trace; empty without one."""
    return f"00-{context.trace_id}-{context.span_id}-01" if context.trace_id else ""


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME_CHARS and not _CONTROL.search(text)


def _is_ours(name: str) -> bool:
    return name in _NAMES or name.startswith(PRIVATE_PREFIX)


def _fits(name: str, value: str) -> bool:
    return 0 < len(name) <= MAX_TAG_KEY_CHARS and len(value) <= MAX_TAG_CHARS


_NAMES = frozenset(("session_id", "user_id", "environment"))
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-[0-9a-f]{2}"
)
