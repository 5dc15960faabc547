"""An analyst's questions in SQL, from any ClickHouse client: here clickhouse-connect.

LEEWAY_SQL is http://USER:PASSWORD@127.0.0.1:8123/leeway, with the SQL user and password that `make up` prints.
docs/analyst.md lists every view and column. Needs: pip install clickhouse-connect
"""

import os

import clickhouse_connect

QUESTIONS = {
    "What did each model cost, and how sure is that?": """
        SELECT request_model, pricing_status, count() AS calls, sum(cost_usd) AS usd
        FROM calls_v1 GROUP BY request_model, pricing_status ORDER BY usd DESC NULLS LAST
    """,
    "How fast is the tail, and its first token?": """
        SELECT request_model, quantile(0.95)(duration_seconds) AS seconds,
            quantileIf(0.95)(time_to_first_token_seconds, streaming) AS first_token_seconds
        FROM calls_v1 WHERE kind = 'chat' AND status = 'ok' GROUP BY request_model ORDER BY request_model
    """,
    "What do people think of it?": """
        SELECT i.request_model, f.kind, f.name, f.label, count() AS n, avg(f.value_normalized) AS mean
        FROM feedback_v1 AS f INNER JOIN interactions_v1 AS i ON i.interaction_id = f.interaction_id
        GROUP BY i.request_model, f.kind, f.name, f.label ORDER BY i.request_model, f.kind, f.name, f.label
    """,
    "Where does an agent's time go?": """
        SELECT name, count() AS spans, sum(duration_seconds) AS seconds, countIf(status = 'error') AS failed
        FROM spans_v1 GROUP BY name ORDER BY seconds DESC
    """,
    "Which calls were judged badly?": """
        SELECT evaluator, label, count() AS n, any(explanation) AS example
        FROM scores_v1 WHERE passed = false GROUP BY evaluator, label ORDER BY n DESC
    """,
}


def main() -> None:
    client = clickhouse_connect.get_client(dsn=os.environ["LEEWAY_SQL"])
    for question, sql in QUESTIONS.items():
        found = client.query(sql)
        print(f"\n{question}\n  " + " | ".join(found.column_names))
        for row in found.result_rows:
            print("  " + " | ".join(map(str, row)))


if __name__ == "__main__":
    main()
