"""A bank's fraud model: decisions on payments, charge-backs months later, and disputes that take them back.

Model and payments are made up. LEEWAY_URL and LEEWAY_API_KEY are what `make up` prints, LEEWAY_SQL is
http://USER:PASSWORD@127.0.0.1:8123/leeway of the same print. bank_fraud.yaml is whom to tell when it drifts.
Needs: pip install ./sdk/python clickhouse-connect
"""

import os
import random
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import clickhouse_connect
import leeway

PAYMENTS = 300
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
# An outcome that a later one supersedes does not count.
BY_MONTH = """
SELECT toStartOfMonth(i.started_at) AS month,
    count() AS payments,
    countIf(i.decision = 'block') AS blocked,
    countIf(f.label = 'yes') AS charged_back,
    sumIf(JSONExtractInt(i.features, 'cents'), f.label = 'yes' AND i.decision = 'allow') AS lost_cents,
    sumIf(JSONExtractInt(i.features, 'cents'), f.label = 'no' AND i.decision = 'block') AS refused_cents
FROM interactions_v1 AS i
LEFT JOIN (
    SELECT interaction_id, label FROM feedback_v1
    WHERE kind = 'outcome' AND name = 'charged_back'
        AND feedback_id NOT IN (SELECT supersedes FROM feedback_v1 WHERE supersedes != '')
) AS f ON f.interaction_id = i.interaction_id
WHERE i.session_id = {session:String}
GROUP BY month ORDER BY month
"""
TOLD = """
SELECT count() FROM feedback_v1 AS f INNER JOIN interactions_v1 AS i ON i.interaction_id = f.interaction_id
WHERE i.session_id = {session:String}
"""


def main() -> None:
    leeway.configure(api_key=os.environ["LEEWAY_API_KEY"], base_url=os.environ["LEEWAY_URL"])
    chance = random.Random(7)
    with leeway.session() as session:
        outcomes = sum(pay(chance, FIRST_DAY + timedelta(hours=8 * n)) for n in range(PAYMENTS))
    assert leeway.flush(), "Leeway did not take everything"
    client = clickhouse_connect.get_client(dsn=os.environ["LEEWAY_SQL"])
    while client.command(TOLD, parameters={"session": session.id}) != outcomes:
        time.sleep(0.1)  # what was taken is in SQL within a second or two
    months = client.query(BY_MONTH, parameters={"session": session.id}).result_rows
    for month, paid, blocked, charged_back, lost, refused in months:
        print(f"{month:%Y-%m}: {paid} paid, {blocked} blocked, {charged_back} charged back")
        print(f"    {Decimal(lost) / 100:.2f} lost, {Decimal(refused) / 100:.2f} refused in vain")


def pay(chance: random.Random, day: datetime) -> int:
    """One payment: the decision now, what its owner says months later. Answers how many outcomes were told."""
    cents = chance.randint(500, 90_000)
    score = cents / 100_000
    decided = "block" if score > 0.7 else "allow"
    told = {"cents": cents}
    interaction = leeway.decision("card-fraud", decided, score=score, features=told, ended_at=day)
    fraud, disputed = chance.random() < score**3, chance.random() < 0.05
    label = "yes" if fraud or disputed else "no"
    learnt = day + timedelta(days=chance.randint(20, 120))
    first = leeway.outcome(interaction, "charged_back", label, about_at=day, observed_at=learnt)
    if fraud or not disputed:
        return 1
    # The merchant shows that the payment was its owner's own: the charge-back is taken back.
    learnt += timedelta(days=45)
    leeway.outcome(interaction, "charged_back", "no", observed_at=learnt, supersedes=first)
    return 2


if __name__ == "__main__":
    main()
