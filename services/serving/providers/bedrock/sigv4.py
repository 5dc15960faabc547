"""Signatures of requests to AWS (Signature Version 4).

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_SPACES = re.compile(r" +")


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """An access key; `session_token` is empty for a long-term one."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a signature holds."""

    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A request to sign: its URL is encoded as it is sent, and its headers, by names in lower case, are signed
    beside the host: no proxy on the way may change them."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def signed_headers(
    request: Unsigned, credentials: AwsCredentials, scope: Scope, now: datetime
) -> dict[str, str]:
    """The headers that sign a request: `authorization`, `x-amz-date`, and the session's token if there is one."""
    parts = urlsplit(request.url)
    at = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    own = {"x-amz-date": at}
    if credentials.session_token:
        own["x-amz-security-token"] = credentials.session_token
    signed = {**request.headers, "host": parts.netloc, **own}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        (
            request.method,
            quote(parts.path or "/", safe=f"/{_UNRESERVED}"),
            _canonical_query(parts.query),
            *(f"{name}:{_trimmed(signed[name])}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    place = f"{at[:8]}/{scope.region}/{scope.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{_ALGORITHM}\n{at}\n{place}\n{digest}"
    signature = _hmac(_signing_key(credentials, scope, at[:8]), to_sign).hex()
    told = f"Credential={credentials.access_key_id}/{place}"
    own["authorization"] = f"{_ALGORITHM} {told}, SignedHeaders={names}, Signature={signature}"
    return own


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    encoded = [(quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for k, v in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _trimmed(value: str) -> str:
    return _SPACES.sub(" ", value.strip())


def _signing_key(credentials: AwsCredentials, scope: Scope, day: str) -> bytes:
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
