"""What each kind of receiver is sent, to the letter."""

import base64

import orjson
import pytest

from services.alerting.channels.channel import Form, Request, outcome_of
from services.alerting.channels.mail import Mailbox, Security, mail_of
from services.alerting.channels.opsgenie import OpsgenieForm
from services.alerting.channels.pagerduty import PagerDutyForm
from services.alerting.channels.slack import SlackForm
from services.alerting.channels.teams import TeamsForm
from services.alerting.channels.webhook import WebhookForm, signature
from services.alerting.domain.alert import Change
from services.alerting.domain.delivery import Delivered, Failed, Refused
from services.alerting.domain.rule import Severity
from shared.egress import Reply
from shared.errors import Invalid
from shared.webhook_secret import secret_bytes
from tests.alerting import ERROR_EVIDENCE, NOW, a_delivery, a_notification

TITLE = "25.0% of calls fail: model demo, tenant acme"
KEY = "leeway-55d3b4357cc9e8a9ac4e88533f2cb9c7"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the published vector
OTHER_SECRET = "whsec_" + base64.b64encode(b"b" * 32).decode()


def request(form: Form, change: Change = Change.FIRED) -> Request:
    return form.request(a_delivery(change), NOW)


def test_a_webhook_is_signed_as_the_published_vector() -> None:
    signed = signature(
        secret_bytes(SECRET),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_carries_a_signature_for_each_active_secret() -> None:
    secrets = (secret_bytes(SECRET), secret_bytes(OTHER_SECRET))

    sent = request(WebhookForm("https://hooks.example.com/", secrets))

    delivery_id = a_delivery().delivery_id
    expected = [signature(secret, delivery_id, 1767268800, sent.body) for secret in secrets]
    assert sent.headers == {
        "webhook-id": delivery_id,
        "webhook-timestamp": "1767268800",
        "webhook-signature": " ".join(expected),
    }


def test_a_webhooks_payload_has_a_type_a_time_and_everything_that_is_known() -> None:
    payload = orjson.loads(request(WebhookForm("https://hooks.example.com/")).body)

    told = a_notification()
    assert payload == {
        "type": "alert.fired",
        "timestamp": "2026-01-01T12:00:00+00:00",
        "data": {
            "alert_id": "a1",
            "dedupe_key": KEY,
            "tenant": "acme",
            "rule": "errors",
            "when": "error_rate",
            "state": "firing",
            "severity": "critical",
            "title": TITLE,
            "body": told.body,
            "sql": told.sql,
            "labels": {"tenant": "acme", "model": "demo"},
            "occurrences": 1,
            "started_at": "2026-01-01T12:00:00+00:00",
            "changed_at": "2026-01-01T12:00:00+00:00",
            "evidence": [ERROR_EVIDENCE],
        },
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_not base64",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
    ],
)
def test_a_malformed_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        secret_bytes(text)

    assert not text.removeprefix("whsec_") or text.removeprefix("whsec_") not in str(refused.value)


def test_slack_gets_blocks_and_a_text_for_notifications() -> None:
    told = a_notification()

    message = orjson.loads(request(SlackForm("https://hooks.slack.com/x")).body)

    assert message == {
        "text": f":red_circle: {TITLE}",
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": f":red_circle: {TITLE}", "emoji": True},
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": told.body}},
            {"type": "section", "text": {"type": "mrkdwn", "text": f"```{told.sql}```"}},
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "critical · rule errors · a1"}],
            },
        ],
    }


def test_slack_is_never_sent_markup_that_a_model_name_made() -> None:
    told = a_notification(title="<!channel> & <x>", body="<!channel>" + "a" * 4000)

    message = orjson.loads(SlackForm("").request(a_delivery(notification=told), NOW).body)

    assert message["text"] == ":red_circle: &lt;!channel&gt; &amp; &lt;x&gt;"
    assert len(message["blocks"][1]["text"]["text"]) == 3000
    assert "<!channel>" not in message["blocks"][1]["text"]["text"]


def test_pagerduty_is_triggered_with_the_alerts_key() -> None:
    told = a_notification()

    sent = request(PagerDutyForm("R" * 32))

    assert sent.url == "https://events.pagerduty.com/v2/enqueue"
    assert orjson.loads(sent.body) == {
        "routing_key": "R" * 32,
        "dedup_key": KEY,
        "event_action": "trigger",
        "client": "Leeway",
        "payload": {
            "summary": TITLE,
            "source": "leeway/acme",
            "severity": "critical",
            "timestamp": "2026-01-01T12:00:00+00:00",
            "component": "demo",
            "group": "acme",
            "class": "error_rate",
            "custom_details": {
                "body": told.body,
                "sql": told.sql,
                "rule": "errors",
                "occurrences": 1,
                "alert_id": "a1",
                "evidence": [ERROR_EVIDENCE],
            },
        },
    }


def test_pagerduty_is_resolved_with_the_same_key() -> None:
    assert orjson.loads(request(PagerDutyForm("R" * 32), Change.RESOLVED).body) == {
        "routing_key": "R" * 32,
        "dedup_key": KEY,
        "event_action": "resolve",
    }


def test_opsgenie_creates_an_alert_by_its_alias() -> None:
    told = a_notification()

    sent = request(OpsgenieForm("K"))

    assert sent.url == "https://api.opsgenie.com/v2/alerts"
    assert sent.headers == {"Authorization": "GenieKey K"}
    assert orjson.loads(sent.body) == {
        "message": TITLE,
        "alias": KEY,
        "description": f"{told.body}\n\n{told.sql}",
        "priority": "P1",
        "source": "leeway",
        "entity": "demo",
        "tags": ["leeway", "error_rate"],
        "details": {
            "tenant": "acme",
            "model": "demo",
            "rule": "errors",
            "alert_id": "a1",
            "occurrences": "1",
        },
    }


def test_opsgenie_closes_the_alert_by_its_alias() -> None:
    sent = request(OpsgenieForm("K", "https://api.eu.opsgenie.com/"), Change.RESOLVED)

    assert sent.url == f"https://api.eu.opsgenie.com/v2/alerts/{KEY}/close?identifierType=alias"
    assert orjson.loads(sent.body) == {"source": "leeway", "note": f"Resolved: {TITLE}"}


def test_teams_gets_an_adaptive_card() -> None:
    told = a_notification()

    message = orjson.loads(request(TeamsForm("https://x.logic.azure.com/")).body)

    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"] == [
        {
            "type": "TextBlock",
            "text": TITLE,
            "wrap": True,
            "weight": "Bolder",
            "size": "Medium",
            "color": "Attention",
        },
        {"type": "TextBlock", "text": told.body.replace("\n", "\n\n"), "wrap": True},
        {
            "type": "FactSet",
            "facts": [
                {"title": "tenant", "value": "acme"},
                {"title": "model", "value": "demo"},
                {"title": "severity", "value": "critical"},
                {"title": "rule", "value": "errors"},
                {"title": "alert", "value": "a1"},
            ],
        },
        {
            "type": "TextBlock",
            "text": told.sql.replace("\n", "\n\n"),
            "wrap": True,
            "fontType": "Monospace",
            "size": "Small",
        },
    ]


def test_teams_is_never_sent_a_link_that_a_model_name_made() -> None:
    told = a_notification(title="[click](https://evil.example)")

    message = orjson.loads(TeamsForm("").request(a_delivery(notification=told), NOW).body)

    assert (
        message["attachments"][0]["content"]["body"][0]["text"] == "[click] (https://evil.example)"
    )


@pytest.mark.parametrize("text", ["漏" * 20_000, "\n" * 20_000, "\x01" * 20_000])
def test_teams_is_never_sent_more_than_it_takes(text: str) -> None:
    told = a_notification(title=text, body=text, sql=text, labels={"model": text, "tenant": text})

    body = TeamsForm("").request(a_delivery(notification=told), NOW).body

    assert 200 < len(body) <= 28_000


def test_a_mail_can_be_threaded_and_told_from_its_repeat() -> None:
    box = Mailbox(
        host="mail.example.com",
        port=587,
        security=Security.STARTTLS,
        sender="Leeway <alerts@example.com>",
        recipients=("a@example.com", "b@example.com"),
    )
    told = a_notification(severity=Severity.CRITICAL)

    mail = mail_of(a_delivery(), box, NOW)

    assert dict(mail.items()) == {
        "From": "Leeway <alerts@example.com>",
        "To": "a@example.com, b@example.com",
        "Subject": f"[critical] {TITLE}",
        "Date": "Thu, 01 Jan 2026 12:00:00 +0000",
        "Message-ID": f"<{a_delivery().delivery_id}@example.com>",
        "References": "<a1@example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
        "MIME-Version": "1.0",
    }
    assert mail.get_content() == (
        f"{TITLE}\n\n{told.body}\n\nTo look further:\n\n{told.sql}\n\nAlert a1\n"
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_answer_of_2xx_is_delivered(status: int) -> None:
    assert outcome_of(Reply(status, {}, b""), NOW) == Delivered()


@pytest.mark.parametrize("status", [400, 401, 403, 410, 413, 422])
def test_an_answer_that_says_never_is_not_tried_again(status: int) -> None:
    outcome = outcome_of(Reply(status, {}, b"no"), NOW)

    assert outcome == Refused(f"The receiver answered {status}: no")


@pytest.mark.parametrize("status", [302, 404, 408, 425, 429, 500, 503])
def test_every_other_answer_is_tried_again(status: int) -> None:
    assert isinstance(outcome_of(Reply(status, {}, b""), NOW), Failed)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("²", 0.0),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999999999", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float) -> None:
    outcome = outcome_of(Reply(429, {"retry-after": header}, b""), NOW)

    assert isinstance(outcome, Failed)
    assert outcome.retry_after_seconds == seconds
