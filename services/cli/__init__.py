"""The `leeway` command: one file a verb."""


def main() -> None:
    """Run the command line."""
    from services.cli.root import run  # noqa: PLC0415 (a console script imports this package first)

    run()
