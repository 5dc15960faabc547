"""The package is what its metadata says: its names, its Python, its dependencies, its borders."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import leeway
import leeway.openai

SOURCE = Path(__file__).parent.parent / "src" / "leeway"
MODULES = sorted(SOURCE.rglob("*.py"))
PUBLIC = {
    *("Client", "Limits", "Options", "Session", "Span", "Stats", "__version__", "aflush"),
    *("configure", "decision", "default_client", "feedback", "flush", "interaction_id", "observe"),
    *("outcome", "prefer", "record", "score", "session", "shutdown", "span", "stats", "thumbs"),
}


def test_the_public_names_are_these() -> None:
    assert set(leeway.__all__) == PUBLIC
    assert leeway.__all__ == sorted(leeway.__all__)
    assert all(hasattr(leeway, name) for name in leeway.__all__)
    assert set(leeway.openai.__all__) == {"AsyncOpenAI", "OpenAI", "interaction_id", "observe"}


def test_no_module_hides_a_public_function() -> None:
    modules = {path.stem for path in SOURCE.glob("*.py")} | {"spool"}

    assert modules & PUBLIC == set()


def test_the_package_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_python_3_9_and_stays_within_its_borders(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))

    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"shared", "services", "leeway_pb", "pydantic"}
    assert "openai" not in imported or path.parent.name == "openai"
