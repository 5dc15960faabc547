"""The SDK never raises into its host, whatever it is given."""

from __future__ import annotations

import logging
import os
import uuid
from typing import Any

import pytest
from sdk_stub import MakeClient, Stub

import leeway
from leeway.openai import OpenAI


def is_id(text: object) -> bool:
    return isinstance(text, str) and uuid.UUID(text).version == 7


class Hostile:
    """A value whose every part raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("record", (), {}),
        ("record", (), {"model": ""}),
        ("record", (), {"model": "m", "kind": "nonsense"}),
        ("record", (), {"model": "m", "no_such_field": 1}),
        ("record", ("positional",), {}),
        ("record", (), {"model": "m", "tags": 7, "input": Hostile()}),
        ("record", (), {"model": "m", "kind": "predict"}),
        ("decision", (), {}),
        ("feedback", (), {"kind": "shrug"}),
        ("feedback", (), {}),
        ("thumbs", (), {"up": True}),
        ("score", ("id",), {}),
        ("prefer", ("a", "b"), {"positions": (1, 2, 3)}),
        ("outcome", (), {}),
    ],
)
def test_wrong_arguments_are_logged_and_counted_and_answered_with_an_id(
    client: leeway.Client,
    stub: Stub,
    caplog: pytest.LogCaptureFixture,
    name: str,
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    with caplog.at_level(logging.WARNING, "leeway"):
        answer = getattr(client, name)(*args, **options)

    assert is_id(answer)
    assert (client.stats().invalid, client.stats().accepted) == (1, 0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_wrong_uses_of_the_decorator_leave_the_function_usable(client: leeway.Client) -> None:
    def double(number: int) -> int:
        return 2 * number

    observe: Any = client.observe

    assert observe("a name")(double)(2) == 4
    assert observe(no_such_option=1)(double)(2) == 4
    assert observe()(double)(2) == 4
    assert observe(double, "more")(2) == 4
    assert observe(7) == 7
    assert observe(int) is int


def test_a_wrong_call_of_an_observed_function_raises_its_own_error(client: leeway.Client) -> None:
    @client.observe
    def double(number: int) -> int:
        return 2 * number

    wrong: Any = double
    with pytest.raises(TypeError, match="unexpected keyword argument 'nmber'"):
        wrong(nmber=1)


def test_hostile_arguments_do_not_reach_the_caller(client: leeway.Client, stub: Stub) -> None:
    @client.observe(name="f")
    def take(thing: object) -> object:
        return thing

    thing = Hostile()

    assert take(thing) is thing
    assert client.flush()
    assert [span["name"] for span in stub.items("spans")] == ["f"]


def test_wrong_sessions_and_spans_are_still_entered(client: leeway.Client, stub: Stub) -> None:
    session: Any = client.session
    span: Any = client.span

    with session("s", tags=7), session(no_such=1), span(), span("x", attributes=3):
        client.record(model="m")

    assert client.flush()
    assert [item["model"] for item in stub.items()] == ["m"]
    assert client.stats().invalid == 4


def test_wrong_settings_do_not_raise() -> None:
    anything: Any = object()
    client = leeway.Client(leeway.Options("lk", "http://[", spool_dir="off"))

    client.configure(spool_dir=anything)
    client.configure(no_such=1)  # type: ignore[call-arg]

    assert client.stats().invalid == 2


def test_a_url_that_leads_nowhere_does_not_raise() -> None:
    client = leeway.Client(leeway.Options("lk\u00fc", "ftp://nowhere", spool_dir="off"))
    client.record(model="m")

    assert not client.flush(0.2)
    assert client.stats().pending == 1
    client.shutdown(0.1)


def test_without_a_key_nothing_is_recorded_and_it_is_said_once(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    client = leeway.Client(leeway.Options(api_key="", base_url=stub.url))

    ids = {client.record(model="m") for _ in range(3)}

    assert len(ids) == 3
    assert len(caplog.records) == 1
    assert client.flush()
    assert stub.requests == []


def test_when_disabled_nothing_is_recorded_and_nothing_is_said(
    make_client: MakeClient, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(disabled=True)

    assert is_id(client.record(model="m"))
    assert client.flush()
    assert (stub.requests, caplog.records) == ([], [])


def test_a_gateway_client_does_not_fail_for_the_context(make_client: MakeClient) -> None:
    client = OpenAI(leeway_client=make_client())
    session: Any = leeway.session

    with session(7, user=8, tags={1: 2}):
        headers = client.default_headers

    client.close()
    assert headers["x-leeway-session"] == "7"
    assert headers["x-leeway-tags"] == "1=2"


def test_the_environment_is_read_where_nothing_is_told() -> None:
    told = {
        "LEEWAY_API_KEY": "lk_env",
        "LEEWAY_BASE_URL": "http://there:1/v1/",
        "LEEWAY_ENVIRONMENT": "staging",
        "LEEWAY_SPOOL_DIR": "off",
        "LEEWAY_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        settings = leeway.Client(leeway.Options(environment="mine")).settings
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})

    assert (settings.api_key, settings.base_url) == ("lk_env", "http://there:1")
    assert (settings.environment, settings.spool_dir, settings.disabled) == ("mine", None, True)


def test_an_exception_that_cannot_be_told_goes_on_and_is_told_by_its_class(
    client: leeway.Client, stub: Stub
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    with pytest.raises(Mute), client.span("work"):
        raise Mute

    assert client.flush()
    [span] = stub.items("spans")
    assert span["status"] == "error"
    assert "Mute" in span["status_message"]
