"""The repository's own sources, parsed: what the tests of the house style, the cards and the docs read."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVICES = tuple(sorted(file.parent.name for file in ROOT.glob("services/*/settings.py")))

_FOLDERS = ("services", "shared", "sdk", "tests", "benchmarks", "examples", "infra")
_NOT_OURS = {".venv", "build", "node_modules"}


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file; `path` is from the root, with slashes, and `nodes` are all of its syntax tree."""

    path: str
    text: str
    nodes: Sequence[ast.AST]

    @property
    def docstring(self) -> str:
        """What the module says of itself."""
        module = self.nodes[0]
        assert isinstance(module, ast.Module)
        return ast.get_docstring(module) or ""

    def strings(self) -> Iterator[tuple[int, str]]:
        """The line and the text of every string that is more than a statement, as a docstring is."""
        said = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        for node in self.nodes:
            match node:
                case ast.Constant(value=str(text)) if id(node) not in said:
                    yield node.lineno, text

    def dotted(self) -> Iterator[tuple[int, str]]:
        """The line and the name of everything that is written `a.b`."""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                yield node.lineno, f"{node.value.id}.{node.attr}"


def sources(*folders: str) -> Sequence[Source]:
    """Every Python file of these folders (of all, unless some are named), in the order of their paths."""
    return [source for folder in folders or _FOLDERS for source in _parsed(folder)]


@cache
def _parsed(folder: str) -> Sequence[Source]:
    return [
        Source(path.relative_to(ROOT).as_posix(), text, [*ast.walk(ast.parse(text))])
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not _NOT_OURS & set(path.relative_to(ROOT).parts)
        for text in [path.read_text(encoding="utf-8")]
    ]
