"""What a request says before its body; what would break out of its place there is refused."""

from services.serving.transport.port import Origin, Post

# Said to every upstream unless the request says otherwise. A compressed reply costs both sides time, and
# may hide a bomb.
OWN_HEADERS = {"user-agent": "leeway", "accept": "*/*", "accept-encoding": "identity"}

_OWN_LINES = {name: f"{name}: {value}\r\n" for name, value in OWN_HEADERS.items()}


def request_head(origin: Origin, post: Post) -> bytes:
    r"""The request line and headers of a POST in HTTP/1.1. Raises `ValueError`, as `header_lines` does.

    >>> there = Origin(secure=False, host="h", port=80, authority="h")
    >>> request_head(there, Post("/v1", {"user-agent": "x", "accept": "y"}, b"{}"))[:36]
    b'POST /v1 HTTP/1.1\r\nhost: h\r\ncontent-'
    """
    lines = header_lines(post)
    own = [line for name, line in _OWN_LINES.items() if name not in post.headers]
    head = (
        f"{post.method} {post.path} HTTP/1.1\r\nhost: {origin.authority}\r\n"
        f"content-length: {len(post.body)}\r\n{''.join(own)}{lines}\r\n"
    )
    return head.encode("latin-1")


def request_fields(origin: Origin, post: Post) -> list[tuple[str, str]]:
    """The same as the fields of HTTP/2 (RFC 9113, 8.3.1)."""
    header_lines(post).encode("latin-1")
    return [
        (":method", "POST"),
        (":scheme", "https" if origin.secure else "http"),
        (":authority", origin.authority),
        (":path", post.path),
        ("content-length", str(len(post.body))),
        *{**OWN_HEADERS, **post.headers}.items(),
    ]


def header_lines(post: Post) -> str:
    """The request's own headers, a line each.

    Raises `ValueError` for a path or header that would break out of its line, or is not Latin-1.
    """
    given = post.headers
    lines = "".join([f"{name}: {value}\r\n" for name, value in given.items()])
    breaks = lines.count("\n")
    if breaks != len(given) or lines.count("\r") != breaks or "\0" in lines:
        raise ValueError("A header holds a line break or a null.")
    if " " in post.path or not post.path.isprintable():
        raise ValueError("The path holds a space or a control character.")
    return lines
