"""How a person calls the command line from where it was started."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """`leeway` where the shell finds it, else the way by which this process was started."""
    if shutil.which("leeway"):
        return "leeway"
    return called(sys.argv[0], sys.executable)


def called(script: str, python: str) -> str:
    """What to type for the command that `script` is, or for its module.

    >>> called(".venv/bin/leeway", ".venv/bin/python")
    '.venv/bin/leeway'
    >>> called("/opt/leeway/services/cli/__main__.py", "/usr/bin/python3")
    '/usr/bin/python3 -m services.cli'
    """
    if Path(script).name == "leeway":
        return shlex.quote(script)
    return f"{shlex.quote(python)} -m services.cli"
