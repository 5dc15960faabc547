"""Ingest: the door for model calls that other gateways and applications already made.

In        HTTP /v1/interactions, /v1/spans, /v1/traces (OTLP protobuf and JSON); gRPC OTLP TraceService and
          Ingest.Record; registry.changed.v1
Out       interaction.completed.v1, span.ended.v1
Owns      nothing but its outbox
Answers   200 after the facts are stored, with a verdict for each item
Once      an item's id (a span's trace and span id) is its event id, so an item sent again is the same fact;
          with other content it is a conflict, and refused
Settings  LEEWAY_INGEST_
"""
