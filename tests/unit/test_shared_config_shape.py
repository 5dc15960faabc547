"""Every section of leeway.yaml is read into its dataclass, key by key."""

from datetime import UTC, datetime
from decimal import Decimal
from textwrap import dedent

from shared.config import (
    ChannelConfig,
    Config,
    KeyConfig,
    ModelConfig,
    PriceConfig,
    ProviderConfig,
    RouteConfig,
    RuleConfig,
    TenantConfig,
)
from shared.config.document import parse
from shared.config.reading import Reading
from shared.config.section import Section
from shared.config.shape import config_of

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def config_in(text: str, **environ: str) -> Config:
    """The configuration of a document that has no fault."""
    reading = Reading(environ)
    root = Section(reading, parse(dedent(text)))
    config = config_of(root)
    root.close()
    assert reading.faults("leeway.yaml") == ()
    return config


def test_a_provider_is_read_with_its_options() -> None:
    config = config_in(
        """
        providers:
          - name: up
            kind: openai
            base_url: http://localhost:8000/v1/
            api_key: ${UP_KEY}
            prices_of: openai
            options: {stream_usage: false, headers: {authorization: "${UP_KEY}"}}
        """,
        UP_KEY="u",
    )

    options = {"stream_usage": False, "headers": {"authorization": "${UP_KEY}"}}
    up = ProviderConfig("up", "openai", "http://localhost:8000/v1", "${UP_KEY}", options, "openai")
    assert config.providers[0] == up


def test_a_model_is_read_with_its_routes_and_fallbacks() -> None:
    config = config_in(
        """
        models:
          - name: smart
            routes:
              - {provider: demo, model: big, weight: 3}
              - {provider: demo, model: demo}
            fallbacks: [demo]
        """
    )

    routes = (RouteConfig("demo", "big", 3), RouteConfig("demo", "demo"))
    assert config.models[0] == ModelConfig("smart", routes, ("demo",))


def test_a_tenant_is_read_with_its_keys() -> None:
    config = config_in(
        """
        tenants:
          - tenant: acme
            name: Acme
            content: redacted
            projects: [web, batch]
            environments: [staging]
            sql_password: ${SQL}
            keys:
              - name: ci
                scopes: [ingest]
                project: batch
                expires_at: 2027-01-31T02:00:00+02:00
        """,
        SQL="s",
    )

    ci = KeyConfig("ci", ("ingest",), "batch", "staging", "", datetime(2027, 1, 31, tzinfo=UTC))
    assert config.tenants == (
        TenantConfig("acme", "Acme", "redacted", ("web", "batch"), ("staging",), (ci,), "${SQL}"),
    )


def test_a_channel_is_read_with_the_options_of_its_kind() -> None:
    config = config_in(
        """
        alerts:
          allow_networks: [10.0.0.0/8]
          channels:
            - {name: hook, kind: webhook, url: "https://hooks.example.com/a?b=1", secret: "${HOOK}"}
        """,
        HOOK=SIGNING_SECRET,
    )

    options = {"url": "https://hooks.example.com/a?b=1", "secret": "${HOOK}"}
    assert config.channels == (ChannelConfig("hook", "webhook", options),)
    assert config.webhook_allow == ("10.0.0.0/8",)


def test_a_rule_is_read_with_its_durations_in_seconds_and_its_threshold_exactly() -> None:
    config = config_in(
        """
        tenants: [{tenant: acme}]
        alerts:
          channels: [{name: pager, kind: log}]
          rules:
            - name: dear
              when: spend
              threshold: 12.50
              window_seconds: 1h
              renotify_seconds: 600
              channels: [pager]
              tenant: acme
        """
    )

    assert config.rules == (
        RuleConfig(
            "dear",
            "spend",
            ("pager",),
            threshold=Decimal("12.50"),
            window_seconds=3600,
            minimum_count=1,
            renotify_seconds=600,
            tenant="acme",
        ),
    )


def test_a_price_is_read_exactly_as_it_is_written() -> None:
    config = config_in(
        """
        prices:
          - provider: up
            model: big
            rates_per_million_usd: {fresh_input: 1.10, output: 3}
        """
    )

    rates = {"fresh_input": Decimal("1.10"), "output": Decimal(3)}
    assert config.prices == (PriceConfig("up", "big", rates),)


def test_a_reference_is_resolved_only_when_it_is_asked_for() -> None:
    config = config_in("tenants: [{tenant: acme, sql_password: '${SQL}'}]\n", SQL="s")

    assert config.tenants[0].sql_password == "${SQL}"
    assert (config.secret("${SQL}"), config.secret("")) == ("s", "")
