"""What passing through Leeway adds to a call, against the upstream itself, a bare forwarder, and other gateways."""
