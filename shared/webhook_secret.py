"""The secret by which a webhook is signed, as Standard Webhooks 1.0 writes it (standardwebhooks.com)."""

import base64
import binascii

from shared.errors import Invalid

WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret begins with)
SECRET_BYTES = range(24, 65)

_EXPECTED = f"expected {WEBHOOK_SECRET_PREFIX} and the base64 of 24 to 64 bytes"


def secret_bytes(text: str) -> bytes:
    """The bytes of `whsec_` and base64; raises `Invalid`, without showing it, unless 24 to 64 bytes."""
    if not text.startswith(WEBHOOK_SECRET_PREFIX):
        raise Invalid(f"The webhook's secret is malformed: {_EXPECTED}.")
    try:
        secret = base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except binascii.Error as fault:
        raise Invalid(f"The webhook's secret is malformed: {_EXPECTED}.") from fault
    if len(secret) not in SECRET_BYTES:
        raise Invalid(f"The webhook's secret has {len(secret)} bytes: {_EXPECTED}.")
    return secret
