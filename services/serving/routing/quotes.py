"""What a call would cost on a route, by the price book that bills it."""

from datetime import datetime
from decimal import Decimal

from services.serving.routing.estimate import Estimate
from shared.live import Route
from shared.prices.book import Book
from shared.prices.rate import rate


class BookQuoter:
    """Quotes estimates; satisfies `Quoter`."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def quote(self, route: Route, tokens: Estimate, at: datetime) -> Decimal | None:
        """US dollars; None where the book has no price."""
        usage = (
            f'{{"prompt_tokens":{tokens.input_tokens},"completion_tokens":{tokens.output_tokens}}}'
        )
        rating = rate(self._book, route.provider, route.model, usage, "openai_chat", "", at)
        return rating.cost_usd
