"""What an answer costs, said on the answer: the same book and the same arithmetic as billing's."""

from decimal import Decimal

from shared.interactions import Interaction
from shared.prices.book import Book
from shared.prices.rate import Call, rate_call


class BookPricer:
    """Prices interactions by a price book; satisfies `Pricer`."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def price(self, interaction: Interaction) -> Decimal | None:
        asked = interaction.attempts[-1].model if interaction.attempts else ""
        rating = rate_call(
            self._book,
            Call(
                provider=interaction.provider,
                models=(interaction.response_model, asked, interaction.request_model),
                usage_json=interaction.usage.raw,
                dialect=interaction.usage.dialect,
                service_tier=interaction.usage.service_tier,
                at=interaction.started_at,
                ended=interaction.status == "ok",
                kept=bool(interaction.cache),
            ),
        )
        return rating.cost_usd
