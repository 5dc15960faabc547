"""An interaction without usage is told by why it has none."""

from datetime import UTC, datetime

import pytest

from services.billing.domain import Ending, rated
from shared.prices.book import Book
from shared.prices.rate import Call

NOTHING = Call("demo", ("demo",), "", "openai", "", datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Ending("chat", "error", streaming=False), "not_answered"),
        (Ending("chat", "interrupted", streaming=True), "stream_without_usage"),
        (Ending("chat", "ok", streaming=False), "missing"),
        (Ending("predict", "ok", streaming=False), "not_metered"),
    ],
)
def test_no_usage_has_a_reason_and_no_cost(ending: Ending, reason: str) -> None:
    rating = rated(Book([]), NOTHING, ending)

    assert (rating.status, rating.reason, rating.cost_usd) == ("no_usage", reason, None)
