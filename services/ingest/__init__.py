"""Ingest: the door for model calls that other gateways and applications already made.

In      HTTP /v1/interactions, /v1/spans, /v1/traces (OTLP protobuf and JSON); gRPC OTLP TraceService
        and Ingest.Record
Out     interaction.completed.v1, span.ended.v1 (an item sent again has the same event id)
Owns    nothing but its outbox
Answers 200 after the facts are stored, with a verdict for each item; prefix LEEWAY_INGEST_
"""
