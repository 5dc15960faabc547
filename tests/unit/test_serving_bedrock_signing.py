"""Signatures of AWS requests: its published test suite, and its documents' example."""

from datetime import UTC, datetime

import pytest

from services.serving.providers.bedrock.sigv4 import (
    AwsCredentials,
    Scope,
    Unsigned,
    signed_headers,
)

# https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4
CREDENTIALS = AwsCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = Scope("us-east-1", "service")
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = "https://example.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "signature"),
    [
        pytest.param(
            "POST",
            "/",
            {},
            b"",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            "GET",
            "/?Param2=value2&Param1=value1",
            {},
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            "GET",
            "/\u1234",
            {},
            b"",
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            id="get-utf8",
        ),
        pytest.param(
            "GET",
            "/example space/",
            {},
            b"",
            "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
            id="get-space-unnormalized",
        ),
        pytest.param(
            "GET",
            "/",
            {"my-header1": " value1", "my-header2": ' "a   b   c"'},
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            "POST",
            "/",
            {
                "content-type": "application/x-www-form-urlencoded",
                "content-length": "13",
                "x-amz-content-sha256": (
                    "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
                ),
            },
            b"Param1=value1",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            id="post-x-www-form-urlencoded",
        ),
    ],
)
def test_the_published_vectors_hold(
    method: str, url: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    made = signed_headers(Unsigned(method, HOST + url, headers, body), CREDENTIALS, SCOPE, NOW)

    names = ";".join(sorted({*headers, "host", "x-amz-date"}))
    assert made == {
        "x-amz-date": "20150830T123600Z",
        "authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders={names}, Signature={signature}"
        ),
    }


def test_a_sessions_token_is_signed() -> None:
    token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
    session = AwsCredentials(CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key, token)

    made = signed_headers(Unsigned("GET", f"{HOST}/", {}, b""), session, SCOPE, NOW)

    assert made["x-amz-security-token"] == token
    assert made["authorization"].endswith(
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    )


def test_a_path_is_encoded_once_more_than_it_is_sent() -> None:
    """As botocore's `SigV4Auth` signs the same request."""
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-v1%3A0/converse"

    made = signed_headers(
        Unsigned("POST", url, {"content-type": "application/json"}, b'{"messages":[]}'),
        CREDENTIALS,
        Scope("eu-west-1", "bedrock"),
        NOW,
    )

    assert made["authorization"].endswith(
        "Signature=8a08ef89cd8a14e731b7e6fbf8e0075628787b0039561605128d2aaab621cb0a"
    )
