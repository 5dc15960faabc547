"""The platform under every service: the log, the clock, errors, HTTP. It knows no business noun but the topics."""
