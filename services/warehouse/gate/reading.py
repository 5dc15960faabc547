"""From text to a tree: bounded before it is parsed, one query, and nothing that the parser only carries along."""

import logging
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from services.warehouse.faults import QUERY_IS_TOO_LARGE, SYNTAX_ERROR, SqlFault
from services.warehouse.gate.catalogue import as_query
from services.warehouse.gate.tables import FORMATS

MAX_CHARACTERS = 32 * 1024
MAX_TOKENS = 6_000
MAX_DEPTH = 60

_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
# Each of these can nest without a bracket, and the parser recurses on it.
_PREFIXES = {TokenType.NOT, TokenType.DASH, TokenType.TILDE, TokenType.CASE, TokenType.ARROW}


@dataclass(frozen=True, slots=True)
class Reading:
    """A query as a tree, and the output format that its text asked for, or the empty string."""

    tree: exp.Query
    format: str


def read(sql: str) -> Reading:
    """Parse one query. Raises `SqlFault` for anything else, and for what is too large to be looked at."""
    if len(sql) > MAX_CHARACTERS:
        raise SqlFault(
            QUERY_IS_TOO_LARGE,
            f"The query has {len(sql)} characters, more than {MAX_CHARACTERS}: pass long lists as parameters.",
        )
    text = as_query(sql.strip().removesuffix(";").rstrip())
    _bound(tokens(text))
    tree = _query(text)
    return Reading(tree, _take_format(tree))


def tokens(sql: str) -> list[Token]:
    """The tokens of a text in ClickHouse's dialect. Raises `SqlFault`."""
    try:
        return sqlglot.tokenize(sql, dialect="clickhouse")
    except SqlglotError as fault:
        raise SqlFault(SYNTAX_ERROR, f"The query cannot be read: {fault}.") from fault


def _bound(found: list[Token]) -> None:
    if len(found) > MAX_TOKENS:
        raise SqlFault(QUERY_IS_TOO_LARGE, f"The query has more than {MAX_TOKENS} words.")
    depth = deepest = 0
    for token in found:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        deepest = max(deepest, depth)
    prefixes = sum(token.token_type in _PREFIXES for token in found)
    if deepest > MAX_DEPTH or prefixes > MAX_CHARACTERS // 64:
        raise SqlFault(QUERY_IS_TOO_LARGE, f"The query nests deeper than {MAX_DEPTH} levels.")


def _query(text: str) -> exp.Query:
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect="clickhouse") if tree is not None]
    except (SqlglotError, RecursionError) as fault:
        reason = str(fault).partition("\n")[0]
        raise SqlFault(SYNTAX_ERROR, f"The query cannot be read: {reason}") from fault
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise SqlFault(
            SYNTAX_ERROR,
            "Expected exactly one SELECT (WITH and UNION are fine), SHOW TABLES, DESCRIBE or EXISTS.",
        )
    return trees[0]


def _take_format(tree: exp.Query) -> str:
    node = tree.args.get("format")
    if node is None:
        return ""
    node.pop()
    if node.name not in FORMATS:
        raise SqlFault(SYNTAX_ERROR, f"FORMAT {node.name} is not offered to analysts.")
    return str(node.name)


# The parser warns on its logger of every statement that it only carries along; such statements are refused.
logging.getLogger("sqlglot").addHandler(logging.NullHandler())
