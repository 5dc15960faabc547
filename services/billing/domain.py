"""What an interaction's end says about its usage, and the rating that follows from it."""

from dataclasses import dataclass, replace

from shared.prices.book import Book
from shared.prices.rate import Call, Rating, rate_call

# The gateway served the same call: its own interaction has the tokens and the cost.
DUPLICATE = Rating("duplicate_of_gateway")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an interaction ended: its kind, its status, and whether it was a stream."""

    kind: str
    status: str  # ok | error | interrupted | cancelled
    streaming: bool


def rated(book: Book, call: Call, ending: Ending) -> Rating:
    """The rating of an interaction; one without usage is told by why it has none, never by a zero."""
    rating = rate_call(book, call)
    if rating.status != "no_usage":
        return rating
    return replace(rating, reason=_why_missing(ending, rating.reason))


def _why_missing(ending: Ending, reason: str) -> str:
    if ending.kind == "predict":
        return "not_metered"
    if ending.status == "error":
        return "not_answered"
    return "stream_without_usage" if ending.streaming else reason
