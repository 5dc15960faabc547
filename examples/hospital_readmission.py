"""A hospital's readmission model: what it decides today, and what came true thirty days later.

Model and patients are made up. LEEWAY_URL and LEEWAY_API_KEY are what `make up` prints, LEEWAY_SQL is
http://USER:PASSWORD@127.0.0.1:8123/leeway of the same print.
Needs: pip install ./sdk/python clickhouse-connect
"""

import math
import os
import random
import time
from datetime import UTC, datetime, timedelta

import clickhouse_connect
import leeway

PATIENTS = 240
FIRST_DAY = datetime(2025, 1, 1, 11, tzinfo=UTC)
WATCHED = timedelta(days=30)
BY_MONTH = """
SELECT toStartOfMonth(i.started_at) AS month,
    count() AS discharged,
    countIf(i.decision = 'follow_up') AS followed_up,
    countIf(f.label = 'yes') AS readmitted,
    countIf(i.decision = 'follow_up' AND f.label = 'yes') AS caught
FROM interactions_v1 AS i
INNER JOIN feedback_v1 AS f ON f.interaction_id = i.interaction_id
WHERE i.session_id = {session:String} AND f.kind = 'outcome' AND f.name = 'readmitted'
GROUP BY month ORDER BY month
"""


def main() -> None:
    leeway.configure(api_key=os.environ["LEEWAY_API_KEY"], base_url=os.environ["LEEWAY_URL"])
    chance = random.Random(7)
    with leeway.session() as session:
        for number in range(PATIENTS):
            discharge(chance, FIRST_DAY + timedelta(hours=18 * number))
    assert leeway.flush(), "Leeway did not take everything"
    for month, discharged, followed_up, readmitted, caught in report(session.id):
        print(f"{month:%Y-%m}: {discharged} discharged, {readmitted} readmitted,", end=" ")
        print(f"precision {caught / followed_up:.2f}, recall {caught / readmitted:.2f}")


def discharge(chance: random.Random, day: datetime) -> None:
    """One patient goes home: the model decides, and a month later it is known whether they came back."""
    age, stays = chance.randint(20, 95), chance.choice([0, 0, 0, 1, 1, 2, 4])
    risk = 1 / (1 + math.exp(4.2 - 0.03 * age - 0.9 * stays))
    interaction = leeway.record(
        kind="predict",
        model="readmission-risk",
        decision="follow_up" if risk >= 0.4 else "discharge",
        decision_score=risk,
        features={"age": age, "stays_last_year": stays},
        ended_at=day,
    )
    came_back = chance.random() < risk
    leeway.outcome(
        interaction,
        "readmitted",
        "yes" if came_back else "no",
        about_at=day,
        observed_at=day + WATCHED,
        source="ward-register",
    )


def report(session: str) -> list[tuple[datetime, int, int, int, int]]:
    """The months, once every outcome is in SQL: within a second or two after it was taken."""
    client = clickhouse_connect.get_client(dsn=os.environ["LEEWAY_SQL"])
    while True:
        months = client.query(BY_MONTH, parameters={"session": session}).result_rows
        if sum(month[1] for month in months) == PATIENTS:
            return [(month[0], month[1], month[2], month[3], month[4]) for month in months]
        time.sleep(0.1)


if __name__ == "__main__":
    main()
