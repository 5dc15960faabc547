"""The second opinion: the engine's own reading of what will run must show scoped tables and known functions only.

Two parsers that read one text differently are how filters are got around. This one asks ClickHouse's
parser itself (`EXPLAIN AST` plans nothing and reads no data) and believes nobody else.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.warehouse.gate.functions import DISTANCES, MEMBERSHIP, is_known
from services.warehouse.words import words

MAX_COMPARED = 1_000

_LINE = re.compile(r"( *)(\w+)(?: (.*?))?(?: \(alias (.*)\))?(?: \(children \d+\))?")
_LENGTH = re.compile(r"UInt64_(\d+)")

_KINDS = words(
    """
    ArrayJoin Asterisk ColumnsExceptTransformer ColumnsListMatcher ColumnsRegexpMatcher ColumnsTransformerList
    ExpressionList Function Identifier InterpolateElement Literal OrderByElement QualifiedAsterisk
    QualifiedColumnsRegexpMatcher SelectIntersectExceptQuery SelectQuery SelectWithUnionQuery Subquery TableExpression
    TableIdentifier TableJoin TablesInSelectQuery TablesInSelectQueryElement WindowDefinition WindowListElement
    WithElement
    """
)


@dataclass(slots=True)
class Node:
    """A node of the engine's tree: its kind, what stands behind it, and its children."""

    kind: str
    text: str
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """This node and everything under it."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_tree(explained: str) -> Node:
    """The tree in the output of `EXPLAIN AST`; aliases are left out, and what is no node is kept as Unreadable."""
    root = Node("Statements", "")
    path = [root]
    for line in filter(None, explained.split("\n")):
        found = _LINE.fullmatch(line)
        if found is None:
            root.children.append(Node("Unreadable", line))
            continue
        node = Node(found[2], found[3] or "")
        del path[len(found[1]) + 1 :]
        path[-1].children.append(node)
        path.append(node)
    return root.children[0] if len(root.children) == 1 else root


def objections(tree: Node, ctes: frozenset[str], scopes: Sequence[Node]) -> Iterator[str]:
    """What in the tree must not run. `scopes` are the engine's readings of the scoped tables' queries."""
    yield from (f"{node.kind}" for node in tree.walk() if node.kind not in _KINDS)
    for node in _outside(tree, scopes):
        if node.kind == "TableIdentifier" and node.text not in ctes:
            yield f"the table {node.text}"
        elif node.kind == "TableExpression":
            yield from _table_functions(node)
        elif node.kind == "Function":
            yield from _calls(node)
        elif node.kind == "SelectWithUnionQuery":
            # A FORMAT, or the file of INTO OUTFILE, is a child beside the list of its SELECTs.
            yield from (f"{c.kind} {c.text}" for c in node.children if c.kind != "ExpressionList")


def _outside(node: Node, scopes: Sequence[Node]) -> Iterator[Node]:
    """Every node that is not part of a scoped table's query."""
    if node in scopes:
        return
    yield node
    for child in node.children:
        yield from _outside(child, scopes)


def _table_functions(expression: Node) -> Iterator[str]:
    for child in expression.children:
        if child.kind == "Function" and child.text != "numbers":
            yield f"the table function {child.text}"


def _calls(call: Node) -> Iterator[str]:
    if call.text != "numbers" and not is_known(call.text):
        yield f"the function {call.text}"
    if call.text.lower() in MEMBERSHIP and call.children:
        arguments = call.children[0].children
        if len(arguments) != 2 or arguments[1].kind == "Identifier":
            yield f"{call.text} of a table"
    compares = call.text.lower() in DISTANCES and call.children
    if compares and not all(map(_is_short, call.children[0].children)):
        short = f"{call.text}(left(a, {MAX_COMPARED}), left(b, {MAX_COMPARED}))"
        yield f"{call.text} of texts of any length (write {short})"


def _is_short(argument: Node) -> bool:
    """Whether a text is one of the query's own, or cut to what may be compared."""
    if argument.kind == "Literal":
        return True
    cut = argument.children[0].children if argument.children else []
    length = _LENGTH.fullmatch(cut[1].text) if len(cut) == 2 else None
    cuts = argument.kind == "Function" and argument.text.lower() in {"left", "leftutf8"}
    return cuts and length is not None and int(length[1]) <= MAX_COMPARED
