"""The outside systems of a cluster, started as plain processes: what `leeway up --cluster` and the tests run on."""
