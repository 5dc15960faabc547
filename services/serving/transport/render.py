"""The head of an HTTP/1.1 request as bytes; what could not be told from another header is refused."""

from services.serving.transport.port import Origin, Post

# Said to every upstream unless the request says otherwise. A compressed reply costs both sides time, and
# may hide a bomb.
OWN_HEADERS = {"user-agent": "leeway", "accept": "*/*", "accept-encoding": "identity"}

_OWN_LINES = {name: f"{name}: {value}\r\n" for name, value in OWN_HEADERS.items()}


def request_head(origin: Origin, post: Post) -> bytes:
    r"""The request line and headers of a POST.

    Raises `ValueError` for a path or header that would break out of its line, or is not Latin-1.

    >>> from services.serving.transport.port import Post
    >>> there = Origin(secure=False, host="h", port=80, authority="h")
    >>> request_head(there, Post("/v1", {"user-agent": "x", "accept": "y"}, b"{}"))[:36]
    b'POST /v1 HTTP/1.1\r\nhost: h\r\ncontent-'
    """
    given = post.headers
    own = [line for name, line in _OWN_LINES.items() if name not in given]
    lines = "".join([f"{name}: {value}\r\n" for name, value in given.items()])
    breaks = lines.count("\n")
    if breaks != len(given) or lines.count("\r") != breaks or "\0" in lines:
        raise ValueError("A header holds a line break or a null.")
    if " " in post.path or not post.path.isprintable():
        raise ValueError("The path holds a space or a control character.")
    head = (
        f"POST {post.path} HTTP/1.1\r\nhost: {origin.authority}\r\n"
        f"content-length: {len(post.body)}\r\n{''.join(own)}{lines}\r\n"
    )
    return head.encode("latin-1")
