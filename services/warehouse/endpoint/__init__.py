"""ClickHouse's HTTP interface over the engine: what curl, Grafana, DBeaver and clickhouse-connect speak."""
