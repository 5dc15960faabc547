"""Warehouse: writes every fact to ClickHouse, effectively once; embedded, it is the ClickHouse that all ask.

In        every fact but registry.changed.v1; SQL over ClickHouse's HTTP interface
Out       nothing
Owns      interactions, spans, feedback, scores, embeddings, usage, detections, drift_windows, alerts and their
          views; stored
Answers   operators with everything; a tenant's user with that tenant's rows of the analyst views
Once      a batch's boundaries are durable before its insert, and its token names its exact content
Settings  LEEWAY_WAREHOUSE_
"""
