"""Environments of the clients' own: installed once, from locks with hashes, beside the project's."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KEPT = Path(sys.prefix)  # the project's own environment: what is made in it goes with it


@pytest.fixture(scope="session")
def client_python() -> Path:
    """A Python in whose environment every Python client is."""
    lock = HERE / "requirements.lock"
    folder = _folder("python", lock)
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        uv = Path(sys.prefix) / "bin" / "uv"
        _run(str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(str(uv), "pip", "install", "--quiet", "--require-hashes", "-r", str(lock),
             "--python", str(python))  # fmt: skip
        (folder / "whole").touch()
    return python


@pytest.fixture(scope="session")
def client_node() -> Path:
    """A folder in which Node finds every JavaScript client."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Node is not installed: its clients cannot be run")
    folder = _folder("node", HERE / "package-lock.json")
    if not (folder / "whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        _run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
        (folder / "whole").touch()
    return folder


def _folder(name: str, lock: Path) -> Path:
    """Where an environment lies: another lock is another environment."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return KEPT / "clients" / f"{name}-{digest}"


def _run(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        words, cwd=cwd, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(words[:3])}:\n{done.stderr}"
