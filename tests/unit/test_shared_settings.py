"""A wrong setting is told by the name of its variable, with what was expected, and never with a secret."""

import pytest

from services.billing.settings import Settings as BillingSettings
from services.evaluation.settings import Settings as EvaluationSettings
from services.settings import Installation
from shared.errors import Invalid
from shared.settings import ServiceSettings, check_settings


def faults(kind: type[ServiceSettings]) -> tuple[str, ...]:
    with pytest.raises(Invalid) as refusal:
        kind()
    return refusal.value.faults


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PORT", "abc", "expected a valid integer, not 'abc'."),
        ("SQL_PORT", "99999", "expected less than or equal to 65535, not '99999'."),
        ("KAFKA_TLS", "maybe", "expected a valid boolean, not 'maybe'."),
        ("LOG_SYNCHRONOUS", "x", "expected to match pattern '^(NORMAL|FULL)$', not 'x'."),
    ],
)
def test_a_wrong_setting_is_told_by_its_variable(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LEEWAY_{name}", value)

    assert faults(Installation) == (f"LEEWAY_{name}: {sentence}",)


def test_a_part_of_a_mapping_and_one_that_is_no_json_are_told_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEEWAY_EVALUATION_RATES", '{"length": 3}')
    assert faults(EvaluationSettings) == (
        "LEEWAY_EVALUATION_RATES[length]: expected less than or equal to 1, not '3'.",
    )

    monkeypatch.setenv("LEEWAY_EVALUATION_RATES", "length=3")
    assert faults(EvaluationSettings) == ("LEEWAY_EVALUATION_RATES: expected JSON.",)


def test_settings_that_belong_together_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEEWAY_TLS_CA", "ca.crt")

    assert faults(Installation) == (
        "LEEWAY_TLS_CA, LEEWAY_TLS_CERT and LEEWAY_TLS_KEY belong together.",
    )


def test_no_fault_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEEWAY_PEPPER", "s3cr3t")
    monkeypatch.setenv("LEEWAY_KAFKA_PASSWORD", "s3cr3t")

    with pytest.raises(Invalid) as refusal:
        Installation()

    assert refusal.value.faults == (
        "LEEWAY_PEPPER is 64 hexadecimal digits, as `openssl rand -hex 32` makes.",
    )
    assert refusal.value.__cause__ is None


def test_the_faults_of_all_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEEWAY_PORT", "abc")
    monkeypatch.setenv("LEEWAY_BILLING_BATCH_RECORDS", "0")
    monkeypatch.setenv("LEEWAY_BILLING_BATCH_SECONDS", "11")

    with pytest.raises(Invalid) as refusal:
        check_settings([Installation, BillingSettings])

    assert refusal.value.message == "3 settings are wrong."
    assert refusal.value.faults == (
        "LEEWAY_PORT: expected a valid integer, not 'abc'.",
        "LEEWAY_BILLING_BATCH_RECORDS: expected greater than or equal to 1, not '0'.",
        "LEEWAY_BILLING_BATCH_SECONDS: expected less than or equal to 10, not '11'.",
    )
