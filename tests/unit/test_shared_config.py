"""leeway.yaml is valid as a whole, or every fault is told with its line and its path."""

from pathlib import Path
from textwrap import dedent

import pytest

from shared.config import Config, KeyConfig, ModelConfig, ProviderConfig, RouteConfig, TenantConfig
from shared.config.loader import load_config
from shared.errors import Invalid
from shared.tokens import new_token

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEMO_PROVIDER = ProviderConfig("demo", "demo")
DEMO_MODEL = ModelConfig("demo", (RouteConfig("demo", "demo"),))


class File:
    """A leeway.yaml in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "leeway.yaml"

    def load(self, text: str, **environ: str) -> Config:
        self._path.write_text(dedent(text).lstrip("\n"))
        return load_config(self._path, environ)

    def faults(self, text: str, **environ: str) -> list[str]:
        with pytest.raises(Invalid) as caught:
            self.load(text, **environ)
        return list(caught.value.faults)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_without_a_file_there_is_a_demo_and_a_first_tenant() -> None:
    config = load_config(None, {})

    assert config.providers == (DEMO_PROVIDER,)
    assert config.models == (DEMO_MODEL,)
    assert config.tenants == (
        TenantConfig(
            "default", keys=(KeyConfig("first", ("serve", "ingest", "feedback", "read")),)
        ),
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "{}\n"])
def test_an_empty_file_is_no_file(file: File, text: str) -> None:
    assert file.load(text) == load_config(None, {})


def test_the_files_own_demo_wins_over_the_built_in(file: File) -> None:
    config = file.load(
        """
        providers: [{name: demo, kind: openai}]
        models: [{name: demo, routes: [{provider: demo, model: x}]}]
        """
    )

    assert [provider.kind for provider in config.providers] == ["openai"]
    assert [model.routes[0].model for model in config.models] == ["x"]


def test_the_demo_can_be_switched_off(file: File) -> None:
    config = file.load("demo: false\n")

    assert (config.providers, config.models) == ((), ())


def test_every_fault_of_a_file_is_told_at_once_in_the_order_of_lines(file: File) -> None:
    assert file.faults(
        """
        providers:
          - name: up
            kind: opnai
            api_key: ${UNSET}
          - name: up
            kind: openai
            colour: red
        models:
          - name: smart
            routes:
              - {provider: upp, model: big, weight: 0}
            fallbacks: [missing]
        demo: maybe
        """
    ) == [
        (
            "leeway.yaml:3: providers[0].kind: expected one of openai, azure, anthropic, gemini, bedrock, "
            "mistral, deepseek, groq, together, openrouter, xai, ollama, vllm, compatible, demo, not 'opnai'."
        ),
        "leeway.yaml:4: providers[0].api_key: the environment variable UNSET is not set.",
        "leeway.yaml:5: providers[1].name: the provider 'up' is already defined on line 2.",
        (
            "leeway.yaml:7: providers[1].colour: there is no such key "
            "(there is: api_key, base_url, kind, name, options, prices_of)."
        ),
        (
            "leeway.yaml:11: models[0].routes[0].provider: "
            "there is no provider 'upp'; did you mean 'up'?"
        ),
        (
            "leeway.yaml:11: models[0].routes[0].weight: "
            "expected a whole number from 1 to 1000000, not '0'."
        ),
        (
            "leeway.yaml:12: models[0].fallbacks[0]: "
            "there is no model 'missing' (there is: demo, smart)."
        ),
        "leeway.yaml:13: demo: expected true or false, not a text.",
    ]


def test_a_cycle_of_fallbacks_is_told_once_with_its_way(file: File) -> None:
    assert file.faults(
        """
        models:
          - name: a
            routes: [{provider: demo, model: demo}]
            fallbacks: [b]
          - name: b
            routes: [{provider: demo, model: demo}]
            fallbacks: [c]
          - name: c
            routes: [{provider: demo, model: demo}]
            fallbacks: [a]
          - name: d
            routes: [{provider: demo, model: demo}]
            fallbacks: [d]
        """
    ) == [
        "leeway.yaml:4: models[0].fallbacks: the model falls back to itself: a -> b -> c -> a.",
        "leeway.yaml:13: models[3].fallbacks: the model falls back to itself: d -> d.",
    ]


def test_a_secret_in_clear_is_refused_and_not_repeated(file: File) -> None:
    faults = file.faults(
        """
        providers:
          - name: up
            kind: openai
            api_key: sk-very-secret
            options: {headers: {x-api-key: a, authorization: sk-very-secret, other_token: 12345}}
        alerts:
          channels:
            - {name: s, kind: slack, url: "https://hooks.slack.com/very-secret"}
        """
    )

    assert [fault.split(": ")[1] for fault in faults] == [
        "providers[0].api_key",
        "providers[0].options.headers.authorization",
        "providers[0].options.headers.other_token",
        "providers[0].options.headers.x-api-key",
        "alerts.channels[0].url",
    ]
    assert all("secret must be a reference like ${NAME}" in fault for fault in faults)
    assert "very-secret" not in "".join(faults)


def test_a_reference_stands_only_where_a_secret_does(file: File) -> None:
    assert file.faults("tenants: [{tenant: acme, name: '${NAME}'}]\n", NAME="x") == [
        "leeway.yaml:1: tenants[0].name: a ${NAME} reference stands only where a secret does."
    ]


def test_a_configuration_that_is_printed_shows_no_secret(file: File) -> None:
    config = file.load("tenants: [{tenant: acme, sql_password: '${SQL}'}]\n", SQL="hunter2")

    assert "hunter2" not in repr(config)


def test_a_whole_key_must_be_well_formed(file: File) -> None:
    text = """
        tenants:
          - tenant: acme
            keys:
              - name: ci
                scopes: [serve]
                secret: ${KEY}
        """
    token = new_token("production")

    assert file.load(text, KEY=token).tenants[0].keys[0].secret == "${KEY}"
    assert file.faults(text, KEY=token[:-1] + "z") == [
        (
            "leeway.yaml:6: tenants[0].keys[0].secret: "
            "the variable must hold a whole key, as `leeway keys generate` makes."
        )
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tenants: [{tenant: leeway}]", "1: tenants[0].tenant: the tenant 'leeway' is the operators' own."),
        ("tenants: [{}]", "1: tenants[0].tenant: is required: lower-case letters, digits, '-' and '_', a letter first, at most 63."),
        ("tenants: [acme]", "1: tenants[0]: expected a mapping, not a text."),
        ("tenants: acme", "1: tenants: expected a list, not a text."),
        ("tenants: [{tenant: acme, projects: [a, a]}]", "1: tenants[0].projects[1]: 'a' is listed twice."),
        ("tenants: [{tenant: acme, content: all}]", "1: tenants[0].content: expected one of full, redacted, hash, none, not 'all'."),
        ("tenants: [{tenant: a, keys: [{name: k, scopes: []}]}]", "1: tenants[0].keys[0].scopes: expected at least one item."),
        ("tenants: [{tenant: a, keys: [{name: k, scopes: [serve], project: x}]}]", "1: tenants[0].keys[0].project: expected one of default, not 'x'."),
        ("tenants: [{tenant: a, keys: [{name: k, scopes: [serve], expires_at: 2027-01-01}]}]", "1: tenants[0].keys[0].expires_at: expected a time with its zone, like 2027-01-31T00:00:00Z, not '2027-01-01'."),
        ("providers: [{name: p, kind: openai, base_url: 'https://u:p@x.example'}]", "1: providers[0].base_url: expected a URL of the form https://host[:port]/path, without user or fragment."),
        ("providers: [{name: p, kind: openai, base_url: 'ftp://x.example'}]", "1: providers[0].base_url: expected a URL of the form https://host[:port]/path, without user or fragment."),
        ("alerts: {allow_networks: [10.0.0.1/8]}", "1: alerts.allow_networks[0]: expected a network like 10.0.0.0/8, not '10.0.0.1/8'."),
        ("alerts: {channels: [{name: c, kind: log}], rules: [{name: r, when: spend, threshold: 1, channels: [c], window_seconds: 5 m}]}", "1: alerts.rules[0].window_seconds: expected a duration from 1s to 31d, like 300, 90s, 5m, 1h or 7d, not '5 m'."),
        ("alerts: {channels: [{name: c, kind: log}], rules: [{name: r, when: spend, channels: [c]}]}", "1: alerts.rules[0].threshold: is required: the number that spend must pass."),
        ("alerts: {rules: [{name: r, when: detection, channels: [c]}]}", "1: alerts.rules[0].channels[0]: there is no channel 'c'."),
        ("alerts: {channels: [{name: c, kind: log, colour: red}]}", "1: alerts.channels[0].colour: there is no such key (there is: kind, name)."),
        ("prices: [{provider: p, model: m, rates_per_million_usd: {input: 3}}]", "1: prices[0].rates_per_million_usd.input: expected one of cache_read, cache_read_audio, cache_read_image, cache_read_video, cache_read_document, cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, fresh_input, audio_in, image_in, video_in, document_in, tool_input, output, reasoning, audio_out, image_out, video_out, audio_seconds, file_search, web_search, not 'input'."),
        ("prices: [{provider: p, model: m, rates_per_million_usd: {output: 1e-20}}]", "1: prices[0].rates_per_million_usd.output: expected a number of zero or more with at most 12 decimals, not '1e-20'."),
        ("providrs: []", "1: providrs: there is no such key; did you mean 'providers'?"),
        ("demo: true\ndemo: true", "2: demo: this key is given twice."),
        ("- demo", "1: expected a mapping, not a list."),
        ("demo: *x", "1: aliases (*name) are not read here: write the value out."),
        ("a: &a [1]\nb: *a", "2: aliases (*name) are not read here: write the value out."),
        ("providers:\n\t- name: x", "2: not valid YAML: a tab where an indent must be spaces."),
        ("demo: true\n---\ndemo: true", "2: not valid YAML: a second document ('---'): one file holds one."),
        ("demo: true\nx: {", "3: not valid YAML: expected the node content, but found '<stream end>'."),
        ("demo: true\nx: \x07", "2: not valid YAML: a control character."),
        ("x: " + "[" * 21 + "]" * 21, "1: nested deeper than 20 levels."),
        ("demo: !!python/object x", "1: demo: expected true or false, not the tag python/object."),
    ],
)  # fmt: skip
def test_a_fault_names_its_line_its_path_and_what_was_expected(
    file: File, text: str, fault: str
) -> None:
    assert file.faults(f"{text}\n") == [f"leeway.yaml:{fault}"]


RULE = "alerts: {channels: [{name: c, kind: log}], rules: [{name: r, channels: [c], %s}]}"


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("when: error_rate, threshold: 5", "threshold: expected a share of calls, at most 1: 0.05 is one in twenty."),
        ("when: detection, threshold: 1", "threshold: a detection is one already: its rule has no such key."),
        ("when: detection, window_seconds: 1h", "window_seconds: a detection is one already: its rule has no such key."),
        ("when: spend, threshold: 0", "threshold: expected a number above 0."),
        ("when: spend, threshold: 1, group_by: [feature]", "group_by[0]: expected one of tenant, project, environment, provider, model, not 'feature'."),
        ("when: detection, group_by: [channel]", "group_by[0]: expected one of tenant, project, environment, provider, model, feature, not 'channel'."),
    ],
)  # fmt: skip
def test_a_rule_that_could_never_tell_anything_is_a_fault(
    file: File, rule: str, fault: str
) -> None:
    assert file.faults(RULE % rule) == [f"leeway.yaml:1: alerts.rules[0].{fault}"]


def test_the_name_of_the_rule_about_deliveries_is_taken(file: File) -> None:
    text = RULE.replace("name: r", "name: delivery") % "when: detection"

    assert file.faults(text) == [
        "leeway.yaml:1: alerts.rules[0].name: 'delivery' is the rule about alerts that do not arrive."
    ]


@pytest.mark.parametrize(
    ("channel", "secret", "expected"),
    [
        ("kind: webhook, url: 'https://x.example', secret: ${S}", "whsec_c2hvcnQ=", "secret: the variable does not hold whsec_ and base64."),
        ("kind: slack, url: ${S}", "not-a-url", "url: the variable does not hold a URL of a public host, or of one in `alerts.allow_networks`."),
        ("kind: teams, url: ${S}", "https://10.1.2.3/very-secret", "url: the variable does not hold a URL of a public host, or of one in `alerts.allow_networks`."),
        ("kind: webhook, url: 'https://169.254.169.254/x', secret: ${S}", SIGNING_SECRET, "url: '169.254.169.254' is 169.254.169.254, neither public nor in `alerts.allow_networks`."),
        ("kind: webhook, url: 'http://1.1.1.1/x', secret: ${S}", SIGNING_SECRET, "url: '1.1.1.1' is 1.1.1.1: without TLS only networks in `alerts.allow_networks` are reached."),
        ("kind: pagerduty, routing_key: ${S}", "two words", "routing_key: the variable does not hold a key of visible characters without spaces."),
        ("kind: email, host: 'http://x y', from: a@b.example, to: [c@d.example], password: ${S}", "p", "host: expected the name or address of a host, not 'http://x y'."),
        ("kind: email, host: h, from: nobody, to: [c@d.example], password: ${S}", "p", "from: expected an address like alerts@example.com, or Alerts <alerts@example.com>, not 'nobody'."),
    ],
)  # fmt: skip
def test_a_channel_that_nothing_could_be_sent_to_is_a_fault_that_shows_no_secret(
    file: File, channel: str, secret: str, expected: str
) -> None:
    options = channel.replace("${S}", "'${S}'")
    text = f"alerts: {{channels: [{{name: c, {options}}}]}}"

    assert file.faults(text, S=secret) == [f"leeway.yaml:1: alerts.channels[0].{expected}"]


def test_an_address_inside_is_a_fault_beside_all_others_unless_its_network_is_listed(
    file: File,
) -> None:
    channel = "{name: c, kind: webhook, url: 'http://10.20.0.5/hook'}"

    assert file.faults(f"alerts:\n  channels: [{channel}]\nproviders: x\n") == [
        "leeway.yaml:2: alerts.channels[0].url: '10.20.0.5' is 10.20.0.5: without TLS only networks in `alerts.allow_networks` are reached.",
        "leeway.yaml:3: providers: expected a list, not a text.",
    ]
    listed = f"alerts: {{channels: [{channel}], allow_networks: [10.20.0.0/16]}}\n"
    assert file.load(listed).channels[0].options == {"url": "http://10.20.0.5/hook"}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("{stream_usage: 'no'}", "options.stream_usage: expected true or false, not a text."),
        ("{stream_usge: true}", "options.stream_usge: there is no such key; did you mean 'stream_usage'?"),
        ("{max_tokens: 5}", "options.max_tokens: there is no such key (there is: api_keys, headers, http2, max_concurrency, stream_usage)."),
    ],
)  # fmt: skip
def test_an_option_that_its_kind_of_provider_does_not_have_is_a_fault(
    file: File, options: str, fault: str
) -> None:
    text = f"providers: [{{name: p, kind: openai, options: {options}}}]"

    assert file.faults(text) == [f"leeway.yaml:1: providers[0].{fault}"]


def test_a_price_finer_than_a_cost_is_a_fault(file: File) -> None:
    rates = "rates_per_million_usd: {audio_seconds: 0.0000001}"

    (fault,) = file.faults(f"prices: [{{provider: p, model: m, {rates}}}]")

    assert fault == (
        "leeway.yaml:1: prices[0].rates_per_million_usd: "
        "expected at most 6 decimals of a price per million audio_seconds."
    )


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "leeway.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(Invalid) as caught:
        load_config(path, {})

    assert caught.value.faults == ("leeway.yaml:1: the file is not UTF-8 text.",)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"absent\.yaml cannot be read: No such file or directory"):
        load_config(tmp_path / "absent.yaml", {})


def test_the_example_loads_and_uses_every_part_of_the_shape() -> None:
    example = Path(__file__).parents[2] / "leeway.example.yaml"
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ACME_SQL_PASSWORD")
    more = ("PAGERDUTY_ROUTING_KEY", "SMTP_PASSWORD", "AZURE_OPENAI_API_KEY", "GEMINI_API_KEY")
    aws = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environ = {
        **dict.fromkeys([*names, *more, *aws], "x"),
        "ACME_CI_KEY": new_token("production"),
        "ALERT_WEBHOOK_SECRET": SIGNING_SECRET,
        "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T/B/x",
    }

    config = load_config(example, environ)

    assert set(config.secrets) == set(environ)
    assert all((config.providers, config.models, config.tenants, config.channels))
    assert all((config.rules, config.prices, config.webhook_allow))
