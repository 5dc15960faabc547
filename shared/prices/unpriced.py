"""Routes without a price: their calls are recorded, and have no cost."""

from collections.abc import Iterator

from shared.config import Config
from shared.prices.book import Book


def unpriced(config: Config, book: Book) -> Iterator[str]:
    """The routes for which the book has no price, as `model (provider/name)`, in the order of the file.

    As a call is priced: by the upstream's name of the model, else by the public one.
    """
    for model in config.models:
        for route in model.routes:
            names = (route.model, model.name)
            if not any(book.knows(route.provider, name) for name in names):
                yield f"{model.name} ({route.provider}/{route.model})"


def unpriced_warning(routes: Iterator[str]) -> str:
    """A sentence about such routes that says what to do; empty when there are none."""
    named = ", ".join(routes)
    return (
        f"No price is known for {named}: calls are recorded without a cost. "
        "Set the provider's prices_of, or prices, in leeway.yaml."
        if named
        else ""
    )
