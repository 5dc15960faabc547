"""The ledger and the report themselves: what is lost or there twice is never called well."""

import pytest

from tests.chaos.ledger import Ledger, Verdict
from tests.chaos.report import Report, Trial


def a_trial(**changes: object) -> Trial:
    return Trial(**{"row": 1, "name": "test_kill", "seed": 11, **changes})  # type: ignore[arg-type]


def test_a_ledger_counts_what_is_missing_and_what_is_there_twice() -> None:
    ledger = Ledger()
    ledger.accept(["a", "b", "c"])

    assert ledger.judge({"a": 1, "b": 2, "d": 1}) == Verdict(
        accepted=3, stored=2, lost=1, duplicated=1
    )


@pytest.mark.parametrize("copies", [{}, {"a": 2}])
def test_a_trial_does_not_pass_with_a_loss_or_a_double(copies: dict[str, int]) -> None:
    trial = a_trial()
    trial.ledger.accept(["a"])

    with pytest.raises(AssertionError, match="row 1, seed 11"):
        trial.judge(copies)


def test_the_same_seed_draws_the_same_run() -> None:
    assert a_trial().random.random() == a_trial().random.random()


def test_a_line_says_the_seed_the_faults_the_counts_and_the_longest_recovery() -> None:
    trial = a_trial(recoveries=[0.5, 2.04])
    trial.inject("sink killed", 2)
    trial.ledger.accept(["a"])
    trial.judge({"a": 1})

    assert trial.line() == (
        "row 1, seed 11: 2 x sink killed; accepted 1, stored 1, lost 0, duplicated 0; "
        "longest recovery 2.0 s"
    )


def test_the_table_has_a_line_for_each_trial_by_row_and_the_sum() -> None:
    first, second = a_trial(row=2, recoveries=[3.0]), a_trial(recoveries=[1.0] * 19)
    first.kill("broker")
    second.settle(Verdict(accepted=5, stored=5, lost=0, duplicated=0))

    assert Report([first, second]).table().splitlines()[2:] == [
        "| 1 | test_kill | 11 | - | 0 | 5 | 5 | 0 | 0 | 1.0 s |",
        "| 2 | test_kill | 11 | 1 x broker killed | 1 | - | - | - | - | 3.0 s |",
        "",
        "2 trials, 1 faults, 1 of them kills: accepted 5, stored 5, lost 0, duplicated 0; recovery p95 1.0 s.",
    ]
