"""Warehouse: writes every fact to ClickHouse, effectively once; embedded, it is the ClickHouse that all ask.

In        all facts but registry.changed.v1; SQL over ClickHouse's HTTP interface
Out       -
Owns      the tables and views of infra/clickhouse/migrations/*_warehouse_*, and the chDB folder
Answers   the operators with everything; a tenant's user with that tenant's rows of the analyst views
Once      a batch's boundaries are durable before its insert, and its token names its exact content
Settings  LEEWAY_WAREHOUSE_
"""
