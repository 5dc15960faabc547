"""The edges of the SQL interface that need no engine."""

import asyncio
import base64
import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from services.warehouse.endpoint.asking import Credentials, credentials_of, read_asked
from services.warehouse.endpoint.compression import pack, unpack
from services.warehouse.endpoint.form import LIMITS, FormLimits, read_form
from services.warehouse.endpoint.limits import CEILINGS, analyst_settings
from services.warehouse.endpoint.turns import Turns
from services.warehouse.faults import SqlFault, fault_of
from services.warehouse.users import User, Users


def _request(query: str = "", body: bytes = b"", **headers: str) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query.encode(),
        "headers": pairs,
    }
    return Request(scope, receive)


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_credentials_come_by_header_by_basic_or_by_address() -> None:
    expected = Credentials("acme", "p:w")

    assert credentials_of(_request(authorization=_basic("acme:p:w"))) == expected
    assert credentials_of(_request(x_clickhouse_user="acme", x_clickhouse_key="p:w")) == expected
    assert credentials_of(_request("user=acme&password=p%3Aw")) == expected
    assert credentials_of(_request()) is None


@pytest.mark.parametrize(
    "request_",
    [
        _request("user=a", authorization=_basic("a:b")),
        _request(authorization="Basic %%%"),
        _request(authorization="Bearer lk_x"),
        _request(authorization=_basic("no colon")),
    ],
)
def test_doubtful_credentials_are_refused(request_: Request) -> None:
    with pytest.raises(SqlFault) as refusal:
        credentials_of(request_)

    assert refusal.value.name == "AUTHENTICATION_FAILED"


async def test_the_query_and_the_body_are_joined_as_clickhouse_joins_them() -> None:
    asked = await read_asked(_request("query=INSERT+INTO+t+FORMAT+TSV", b"a\nb\n"))

    assert asked.sql == b"INSERT INTO t FORMAT TSV\na\nb\n"


async def test_parameters_settings_and_protocol_are_told_apart() -> None:
    asked = await read_asked(
        _request("param_x=1&max_threads=2&session_id=s&compress=0&database=leeway&query_id=q")
    )

    assert asked.parameters == {"x": "1"}
    assert asked.settings == {"max_threads": "2"}
    assert (asked.database, asked.query_id) == ("leeway", "q")


FORM = "multipart/form-data; boundary=b"


def _part(name: str, value: str, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'.encode()


async def test_a_form_says_the_query_and_what_is_bound_in_it() -> None:
    body = (
        _part("query", "SELECT {x:String}") + _part("param_x", "a\r\n--\r\n\r\nß\n") + b"--b--\r\n"
    )

    asked = await read_asked(_request("param_y=1&max_threads=2", body, content_type=FORM))

    assert asked.sql == b"SELECT {x:String}"
    assert asked.parameters == {"x": "a\r\n--\r\n\r\nß\n", "y": "1"}
    assert asked.settings == {"max_threads": "2"}


@pytest.mark.parametrize("param", ["query", "param_x"])
async def test_what_the_address_says_the_form_does_not_say_again(param: str) -> None:
    request = _request(f"{param}=1", _part(param, "1") + b"--b--", content_type=FORM)

    with pytest.raises(SqlFault, match=f"Both the address and the form have {param}"):
        await read_asked(request)


END = b"--b--\r\n"
X = _part("param_x", "1")


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("multipart/form-data; boundary=c", X + END, "does not begin and end with the boundary"),
        ("multipart/form-data", X + END, "names its boundary"),
        (f"multipart/form-data; boundary={'b' * 71}", X + END, "names its boundary"),
        ("multipart/form-data; boundary=ß", X + END, "names its boundary"),
        ("multipart/mixed; boundary=b", X + END, "expected multipart/form-data"),
        (FORM, b"", "does not begin and end"),
        (FORM, b"preamble\r\n" + X + END, "does not begin and end"),
        (FORM, X + END + b"epilogue", "does not begin and end"),
        (FORM, X, "does not begin and end"),
        (FORM, X.replace(b"\r\n", b"\n") + END, "does not begin and end"),
        (FORM, b"--bb\r\n\r\n\r\n" + END, "does not end its line"),
        (FORM, X + X + END, "has the field param_x twice"),
        (FORM, _part("param_x", "1", '; filename="t"') + END, "External tables are not offered"),
        (FORM, _part("param_x", "1", "; filename*=utf-8''t") + END, "External tables are not"),
        (
            FORM,
            _part("param_x", "1", "\r\nContent-Type: multipart/mixed; boundary=c") + END,
            "plain text",
        ),
        (
            FORM,
            _part("param_x", "MQ==", "\r\nContent-Transfer-Encoding: base64") + END,
            "plain text",
        ),
        (
            FORM,
            _part("param_x", "1", '\r\nContent-Disposition: form-data; name="query"') + END,
            "once",
        ),
        (FORM, b"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n" + END, "does not say its name"),
        (FORM, b"--b\r\nno end of headers\r\n" + END, "has no headers of at most"),
        (FORM, _part("param_x", "1", "\r\nX: " + "x" * 2_000) + END, "has no headers of at most"),
        (FORM, _part("max_threads", "1") + END, "settings go into the address"),
        (FORM, _part("param_x", "").replace(b"\r\n--", b"") + b"\xff\r\n" + END, "not valid UTF-8"),
    ],
)
def test_a_form_that_is_not_plain_is_refused(kind: str, body: bytes, told: str) -> None:
    with pytest.raises(SqlFault, match=told):
        read_form(kind, body)


def test_the_fields_of_a_form_are_bounded_in_number_and_size() -> None:
    limits = FormLimits(fields=2, field_bytes=3)
    whole = _part("param_x", "123") + _part("param_y", "123")

    assert read_form(FORM, whole + END, limits) == {"param_x": "123", "param_y": "123"}
    with pytest.raises(SqlFault, match="more than 2 fields"):
        read_form(FORM, whole + _part("param_z", "") + END, limits)
    with pytest.raises(SqlFault, match="param_x has 4 bytes, more than 3"):
        read_form(FORM, _part("param_x", "1234") + END, limits)


@pytest.mark.parametrize("headers", [{}, {"content_encoding": "gzip"}])
async def test_a_form_is_bounded_before_and_after_it_is_unpacked(headers: dict[str, str]) -> None:
    body = bytes(LIMITS.form_bytes + 1)
    sent = gzip.compress(body) if headers else body

    with pytest.raises(SqlFault, match=f"(larger|more) than {LIMITS.form_bytes} bytes"):
        await read_asked(_request("", sent, content_type=FORM, **headers))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_form_is_answered_otherwise_than_by_a_refusal(head: bytes, value: bytes) -> None:
    with suppress(SqlFault):
        read_form(FORM, b"--b\r\n" + head + b"\r\n\r\n" + value + b"\r\n--b--")
    with suppress(SqlFault):
        read_form("multipart/form-data;" + head.decode("latin-1"), value)


@pytest.mark.parametrize("query_id", ["%E4%B8%AD", "a%0D%0Ax:1", "a+b", "q" * 129])
async def test_a_query_id_that_no_header_can_carry_is_refused(query_id: str) -> None:
    with pytest.raises(SqlFault, match="query_id is 1 to 128"):
        await read_asked(_request(f"query=SELECT+1&query_id={query_id}"))


def test_a_body_that_unpacks_to_too_much_is_refused() -> None:
    bomb = gzip.compress(bytes(10_000_000))

    assert len(unpack(bomb, "gzip", 10_000_000)) == 10_000_000
    with pytest.raises(SqlFault, match="more than 9999999 bytes"):
        unpack(bomb, "gzip", 9_999_999)


def test_a_small_answer_is_not_worth_compressing() -> None:
    assert pack(b"x" * 100, "gzip") == (b"x" * 100, "")
    assert pack(b"x" * 2_000, "br, gzip;q=0.5")[1] == "gzip"
    assert pack(b"x" * 2_000, "identity")[1] == ""


def test_a_client_may_ask_for_less_and_never_for_more() -> None:
    asked = {"max_execution_time": "5", "max_result_rows": "999999999", "max_memory_usage": "0"}

    settings = analyst_settings(asked, 10**12)

    assert settings["max_execution_time"] == "5"
    assert settings["max_result_rows"] == str(CEILINGS["max_result_rows"])
    assert settings["max_memory_usage"] == str(CEILINGS["max_memory_usage"])


@pytest.mark.parametrize(("asked", "given"), [({}, "5000"), ({"max_memory_usage": "6000"}, "5000")])
def test_no_query_may_have_more_than_its_share_of_the_memory(
    asked: dict[str, str], given: str
) -> None:
    assert analyst_settings(asked, 5_000)["max_memory_usage"] == given


@pytest.mark.parametrize("name", ["readonly", "allow_ddl", "format_schema", "output_format_schema"])
def test_a_setting_that_opens_something_is_refused(name: str) -> None:
    with pytest.raises(SqlFault, match=name):
        analyst_settings({name: "1"}, 10**9)


def test_a_wrong_name_and_a_wrong_password_are_told_alike() -> None:
    passwords = {"acme": "own", "empty": ""}
    users = Users("leeway", "secret", lambda: passwords, lambda: {"acme", "empty", "nobody"})

    assert users.authenticate("leeway", "secret") == User("leeway", None)
    assert users.authenticate("acme", "own") == User("acme", "acme")
    for name, password in (("acme", "x"), ("nobody", ""), ("empty", ""), ("leeway", "own")):
        with pytest.raises(SqlFault, match=f"{name}: Authentication failed"):
            users.authenticate(name, password)


def test_a_tenant_named_as_the_operators_is_not_one_of_them() -> None:
    users = Users("leeway", "secret", lambda: {"leeway": "tenant's"}, lambda: {"leeway"})

    with pytest.raises(SqlFault):
        users.authenticate("leeway", "tenant's")


def test_a_tenant_opens_nothing_when_it_is_no_longer_live() -> None:
    live = {"acme"}
    users = Users("leeway", "secret", lambda: {"acme": "own"}, lambda: live)

    assert users.authenticate("acme", "own") == User("acme", "acme")
    live.clear()
    with pytest.raises(SqlFault, match="Authentication failed"):
        users.authenticate("acme", "own")


def test_an_engines_message_is_read_without_its_wrapping() -> None:
    fault = fault_of(
        "Code: 47. DB::Exception: Code: 47. DB::Exception: Unknown `x` (see y)."
        " (UNKNOWN_IDENTIFIER) (version 26.9.2.1). (UNKNOWN_IDENTIFIER)"
    )

    assert (fault.number, fault.name, fault.message) == (
        47,
        "UNKNOWN_IDENTIFIER",
        "Unknown `x` (see y).",
    )


def test_a_message_of_another_kind_is_kept_whole() -> None:
    fault = fault_of("something broke")

    assert (fault.number, fault.name, fault.message) == (
        1002,
        "UNKNOWN_EXCEPTION",
        "something broke",
    )


async def test_a_tenants_turns_are_its_own() -> None:
    turns = Turns(at_once=1, waiting=0)

    async with turns.turn("acme"):
        with pytest.raises(SqlFault, match="queries of acme at once"):
            async with turns.turn("acme"):
                pass
        async with turns.turn("beta"):
            pass
    async with turns.turn("acme"):
        pass


async def test_who_waits_for_a_turn_gets_it() -> None:
    turns, order = Turns(at_once=1, waiting=2), []

    async def take(name: str) -> None:
        async with turns.turn("acme"):
            order.append(name)

    async with turns.turn("acme"):
        waiting = [asyncio.ensure_future(take(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(*waiting)

    assert order == ["first", "second"]
