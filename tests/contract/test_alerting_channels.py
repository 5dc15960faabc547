"""Every kind of channel, as it is configured, against a receiver on loopback."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
import pytest
from aiohttp import web

from services.alerting.channels.catalog import channels_of
from services.alerting.channels.channel import Channel
from services.alerting.domain.alert import Change
from services.alerting.domain.delivery import Delivered, Failed, Refused
from shared.config import ChannelConfig, Config
from shared.egress import Egress
from shared.errors import Invalid
from tests.alerting import NOW, a_delivery
from tests.relay import LoopbackRelay
from tests.servers import LoopbackServer

LOOPBACK = ("127.0.0.0/8",)
SECRETS = {
    "SIGNING": "whsec_" + base64.b64encode(b"s" * 32).decode(),
    "ROUTING": "R" * 32,
    "GENIE": "genie-key",
    "PASSWORD": "",
}
HTTP_KINDS = ("webhook", "slack", "teams", "pagerduty", "opsgenie")


def an_http_channel(kind: str, url: str, allow: tuple[str, ...] = LOOPBACK) -> Channel:
    options: dict[str, dict[str, object]] = {
        "webhook": {"url": url, "secret": "${SIGNING}"},
        "slack": {"url": "${URL}"},
        "teams": {"url": "${URL}"},
        "pagerduty": {"url": url, "routing_key": "${ROUTING}"},
        "opsgenie": {"url": url, "api_key": "${GENIE}"},
    }
    config = Config(
        channels=(ChannelConfig("it", kind, options[kind]),), secrets={**SECRETS, "URL": url}
    )
    return channels_of(config, Egress(allow))["it"]


def a_mail_channel(port: int, **options: object) -> Channel:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "from": "alerts@example.com",
        "to": ["a@example.com", "b@example.com"],
        **options,
    }
    config = Config(channels=(ChannelConfig("it", "email", given),), secrets=SECRETS)
    return channels_of(config, Egress(LOOPBACK))["it"]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver that takes everything: its channel, and how many deliveries it has taken."""

    channel: Channel
    taken: Callable[[], int]


@asynccontextmanager
async def receiver(kind: str) -> AsyncIterator[Receiver]:
    if kind == "email":
        async with LoopbackRelay() as relay:
            yield Receiver(a_mail_channel(relay.port), lambda: len(relay.mails))
    elif kind == "log":
        channels = channels_of(Config(), Egress())
        yield Receiver(channels["log"], lambda: 2)
    else:
        async with LoopbackServer() as server:
            channel = an_http_channel(kind, server.url("/hook"))
            yield Receiver(channel, lambda: len(server.requests))


@pytest.mark.parametrize("kind", [*HTTP_KINDS, "email", "log"])
async def test_a_channel_takes_an_alert_and_its_resolution(kind: str) -> None:
    async with receiver(kind) as it:
        outcomes = [
            await it.channel.send(a_delivery(change), NOW)
            for change in (Change.FIRED, Change.RESOLVED)
        ]

        assert outcomes == [Delivered(), Delivered()]
        assert it.taken() == 2


def answering(status: int, **headers: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="sorry")

    return answer


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_receiver_that_is_busy_is_asked_again_when_it_says(kind: str) -> None:
    async with LoopbackServer(answering(429, **{"Retry-After": "7"})) as server:
        outcome = await an_http_channel(kind, server.url("/hook")).send(a_delivery(), NOW)

    assert outcome == Failed("The receiver answered 429: sorry", 7.0)


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_receiver_that_refuses_for_good_is_not_asked_again(kind: str) -> None:
    async with LoopbackServer(answering(401)) as server:
        outcome = await an_http_channel(kind, server.url("/hook")).send(a_delivery(), NOW)

    assert outcome == Refused("The receiver answered 401: sorry")


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_redirect_is_not_followed(kind: str) -> None:
    async with LoopbackServer(answering(302, Location="/elsewhere")) as server:
        outcome = await an_http_channel(kind, server.url("/hook")).send(a_delivery(), NOW)

    assert isinstance(outcome, Failed)
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_receiver_that_is_gone_fails_for_now(kind: str) -> None:
    async with LoopbackServer() as server:
        url = server.url("/hook")

    assert isinstance(await an_http_channel(kind, url).send(a_delivery(), NOW), Failed)


@pytest.mark.parametrize("kind", HTTP_KINDS)
def test_a_channel_to_an_address_inside_is_refused_at_the_start(kind: str) -> None:
    with pytest.raises(Invalid) as refused:
        an_http_channel(kind, "https://169.254.169.254/hook", allow=())

    assert refused.value.faults == (
        "channel 'it': '169.254.169.254' is 169.254.169.254, neither public nor in `alerts.allow_networks`.",
    )


async def test_a_name_that_leads_inside_is_refused_when_it_is_used() -> None:
    channel = an_http_channel("webhook", "https://localhost/hook", allow=())

    assert isinstance(await channel.send(a_delivery(), NOW), Refused)


async def test_every_attempt_of_a_delivery_carries_the_same_id_and_its_own_time() -> None:
    async with LoopbackServer() as server:
        channel = an_http_channel("webhook", server.url("/hook"))
        await channel.send(a_delivery(), NOW)
        await channel.send(a_delivery(attempts=1), NOW.replace(hour=13))

    first, second = (request.headers for request in server.requests)
    assert first["webhook-id"] == second["webhook-id"] == a_delivery().delivery_id
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 3600


async def test_pagerduty_receives_json() -> None:
    async with LoopbackServer() as server:
        await an_http_channel("pagerduty", server.url("/v2/enqueue")).send(a_delivery(), NOW)

    (sent,) = server.requests
    assert (sent.method, sent.path) == ("POST", "/v2/enqueue")
    assert sent.headers["Content-Type"] == "application/json"
    assert orjson.loads(sent.body)["event_action"] == "trigger"


async def test_a_mail_reaches_every_recipient() -> None:
    async with LoopbackRelay() as relay:
        await a_mail_channel(relay.port).send(a_delivery(), NOW)

    (mail,) = relay.mails
    assert relay.recipients == ["a@example.com", "b@example.com"]
    assert mail["Subject"] == "[critical] 25.0% of calls fail: model demo, tenant acme"
    assert "To look further:" in mail.get_content()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"MAIL": "451 later"}, Failed("The mail relay deferred: 451 later")),
        ({"MAIL": "550 not you"}, Refused("The mail relay refused: 550 not you")),
        ({"DATA": "554 no"}, Refused("The mail relay refused: 554 no")),
        (
            {"RCPT": "550 nobody"},
            Refused("The mail relay refused: 550 nobody; 550 nobody"),
        ),
        (
            {"RCPT": "450 busy"},
            Failed("The mail relay deferred: 450 busy; 450 busy"),
        ),
    ],
)
async def test_what_a_relay_answers_decides_whether_it_is_tried_again(
    answers: dict[str, str], expected: Failed | Refused
) -> None:
    async with LoopbackRelay(answers) as relay:
        outcome = await a_mail_channel(relay.port).send(a_delivery(), NOW)

    assert outcome == expected


async def test_a_relay_without_starttls_gets_no_mail_that_demands_it() -> None:
    async with LoopbackRelay() as relay:
        outcome = await a_mail_channel(relay.port, security="starttls").send(a_delivery(), NOW)

    assert isinstance(outcome, Failed)
    assert relay.mails == []


async def test_a_relay_that_is_gone_fails_for_now() -> None:
    async with LoopbackRelay() as relay:
        port = relay.port

    assert isinstance(await a_mail_channel(port).send(a_delivery(), NOW), Failed)


def test_every_unusable_channel_is_named_and_no_secret_is_shown() -> None:
    config = Config(
        channels=(
            ChannelConfig("a", "webhook", {"url": "https://h.example.com/", "secret": "${BAD}"}),
            ChannelConfig("b", "slack", {"url": "${BAD}"}),
            ChannelConfig("c", "pagerduty", {"routing_key": "${BROKEN}"}),
        ),
        secrets={"BAD": "hunter2", "BROKEN": "a\r\nb"},
    )

    with pytest.raises(Invalid) as refused:
        channels_of(config, Egress())

    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "channel 'a'",
        "channel 'b'",
        "channel 'c'",
    ]
    assert "hunter2" not in str(refused.value.faults)
