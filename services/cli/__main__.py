"""`python -m services.cli`: the `leeway` command."""

from services.cli import main

if __name__ == "__main__":
    main()
