"""Raw usages with known answers, rated: are the status, the tokens and the cost exact, and how fast.

python -m benchmarks.rating --data DIR    (DIR holds usage_cases.jsonl, one case a line)

A case gives the provider's raw `usage` (or its text `usage_raw`, or the `chunks` of a stream), the
`prices` that hold, and what is `expected`. Its prices become the whole book, so that nothing but
the case decides. The last line printed is one JSON object.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from leeway_pb.v1.interaction_pb2 import InteractionCompleted
from leeway_pb.v1.usage_pb2 import UsageRated

from services.billing.served import Served
from services.billing.stream import Rater
from shared.clock import SimulatedClock, micros
from shared.ids import derived_id
from shared.log.record import Record
from shared.prices.book import Book, Sheet, Step, Window
from shared.prices.contract import Contract
from shared.prices.exact import decimal_text, total
from shared.prices.rate import Rating, price_tier, rate
from shared.topics import INTERACTION_COMPLETED

CASES = "usage_cases.jsonl"
MEASURED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """A usage, the book that holds for it, and the answer; `deliveries` names each time it arrived."""

    case_id: str
    provider: str
    model: str
    usage_json: str
    dialect: str
    service_tier: str
    at: datetime
    known_at: datetime | None
    book: Book
    deliveries: tuple[str, ...]
    expected: Mapping[str, Any]
    expected_cost: str | None

    def rated(self) -> Rating:
        """What the code says."""
        return rate(
            self.book,
            self.provider,
            self.model,
            self.usage_json,
            self.dialect,
            self.service_tier,
            self.at,
            known_at=self.known_at,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help=f"a folder with {CASES}")
    path: Path = parser.parse_args().data / CASES
    lines = path.read_text().splitlines()
    cases = [read_case(json.loads(line)) for line in lines if line.strip()]
    faults = {case.case_id: fault for case in cases if (fault := fault_of(case))}
    for case_id, fault in faults.items():
        print(f"{case_id}: {fault}")
    reasons = [case.case_id for case in cases if not _same_reason(case)]
    result = {
        "cases": len(cases),
        "exact": len(cases) - len(faults),
        "wrong": len(faults),
        "other_reason": len(reasons),
        "rated_per_second": round(rated_per_second(cases)),
        "ok": not faults,
    }
    if reasons:
        print(f"the same answer for another reason: {', '.join(reasons)}")
    print(json.dumps(result))
    return 0 if result["ok"] else 1


def fault_of(case: Case) -> str:
    """How the answer differs from the expected one; empty when it is exact."""
    rating = case.rated()
    cost = None if rating.cost_usd is None else decimal_text(_charged(case, rating.cost_usd))
    tokens = {name: decimal_text(Decimal(n)) for name, n in rating.tokens.items()}
    expected = {name: str(n) for name, n in case.expected["tokens"].items()}
    if rating.status != case.expected["status"]:
        return f"status {rating.status} ({rating.reason}), expected {case.expected['status']}"
    if cost != case.expected_cost:
        return f"cost {cost}, expected {case.expected_cost}"
    # A case without a cost names tokens only where they matter.
    if tokens != expected and (expected or cost is not None):
        return f"tokens {tokens}, expected {expected}"
    return ""


def rated_per_second(cases: Sequence[Case]) -> float:
    """Ratings per second on one core, over all cases in turn, the reading of the raw usage included."""
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < MEASURED_SECONDS:
        for case in cases:
            case.rated()
        count += len(cases)
    return count / elapsed


def read_case(line: Mapping[str, Any]) -> Case:
    """A case from its JSON."""
    provider, model, prices = line["provider"], line["model"], line["prices"] or {}
    contracts = {}
    if "contract" in prices:
        contracts[provider, model] = _contract(prices["contract"])
        prices = prices["base"]
    blank = Sheet("case", provider, model, steps=())
    sheets = [
        replace(sheet, sheet_id=f"case/{number}")
        for number, sheet in enumerate(_sheets(prices, blank))
    ]
    return Case(
        case_id=line["id"],
        provider=provider,
        model=model,
        usage_json=_usage_text(line),
        dialect=line["dialect"],
        service_tier=line.get("served_tier", ""),
        at=datetime.fromisoformat(line["at"]),
        known_at=_time(line.get("known_at")),
        book=Book(sheets, contracts=contracts),
        deliveries=tuple(line.get("deliveries", [line["id"]])),
        expected=line["expected"],
        expected_cost=line["expected_cost"],
    )


def _usage_text(line: Mapping[str, Any]) -> str:
    if "usage_raw" in line:
        return str(line["usage_raw"])
    return json.dumps(line["chunks"] if "chunks" in line else line.get("usage"))


def _contract(terms: Mapping[str, Any]) -> Contract:
    markup_bp = terms.get("markup_bp", 0) - terms.get("discount_bp", 0)
    return Contract("contract", _rates(terms.get("override", {})), markup_bp)


def _sheets(prices: Mapping[str, Any], sheet: Sheet) -> Iterator[Sheet]:
    """The sheets of a case's prices, whose parts may nest: by tier, by date, by time of day, by step."""
    if "by_tier" in prices:
        for tier, rates in prices["by_tier"].items():
            yield from _sheets(rates, replace(sheet, service_tier=price_tier(tier)))
    elif "book" in prices:
        for row in prices["book"]:
            yield from _sheets(row["prices"], replace(sheet, **_periods(row)))
    elif "windows" in prices:
        for part in prices["windows"]:
            window = Window(*(_clock_time(part[key]) for key in ("from_utc", "to_utc")))
            yield from _sheets(part["prices"], replace(sheet, window=window))
        if "otherwise" in prices:
            yield from _sheets(prices["otherwise"], sheet)
    elif "tiers" in prices:
        assert prices.get("tier_basis", "total_input") == "total_input", prices["tier_basis"]
        steps = tuple(Step(step["above"], _rates(step["prices"])) for step in prices["tiers"])
        marginal = prices.get("tier_mode", "cliff") == "marginal"
        yield replace(sheet, steps=steps, marginal=marginal)
    elif prices:
        yield replace(sheet, steps=(Step(0, _rates(prices)),))


def _periods(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("valid_from", "valid_to", "known_from", "known_to")
    return {name: _time(row.get(name)) for name in names}


def _rates(prices: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(rate) for name, rate in prices.items()}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _clock_time(text: str) -> Any:
    return datetime.strptime(text, "%H:%M").replace(tzinfo=UTC).time()


def _same_reason(case: Case) -> bool:
    return "reason" not in case.expected or case.rated().reason == case.expected["reason"]


def _charged(case: Case, cost_usd: Decimal) -> Decimal:
    """What is charged in all for a call that arrives more than once: through the service, by its facts."""
    if len(case.deliveries) == 1:
        return cost_usd
    rater = Rater(case.book, Served(1), SimulatedClock(case.at))
    facts = {}
    for seq, delivery in enumerate(case.deliveries, start=1):
        effect = asyncio.run(rater.handle([_record(case, delivery, seq)]))
        facts.update({fact.event_id: fact for fact in effect.facts})
    return total([Decimal(UsageRated.FromString(fact.value).cost_usd) for fact in facts.values()])


def _record(case: Case, delivery: str, seq: int) -> Record:
    interaction = InteractionCompleted(
        interaction_id=derived_id("delivery", delivery),
        tenant="bench",
        kind="chat",
        status="ok",
        provider=case.provider,
        response_model=case.model,
        started_at_us=micros(case.at),
        usage_json=case.usage_json,
        usage_dialect=case.dialect,
        service_tier=case.service_tier,
    )
    return Record(
        source="bench",
        offset=seq,
        topic=INTERACTION_COMPLETED.name,
        partition=0,
        producer="bench",
        epoch="1",
        seq=seq,
        key=interaction.tenant,
        event_id=interaction.interaction_id,
        accepted_at_us=interaction.started_at_us,
        value=interaction.SerializeToString(),
    )


if __name__ == "__main__":
    sys.exit(main())
