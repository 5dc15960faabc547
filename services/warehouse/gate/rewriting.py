"""From a checked tree to the text that runs: written anew, each table replaced by its rows of one tenant."""

from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from services.warehouse.faults import ACCESS_DENIED, SYNTAX_ERROR, SqlFault
from services.warehouse.gate.checks import cte_names
from services.warehouse.gate.functions import is_callable
from services.warehouse.gate.reading import tokens
from services.warehouse.gate.tables import scoped
from services.warehouse.words import words

# Words that a parenthesis may follow without a call: grammar, and the names of data types.
_GRAMMAR = words(
    """
    all and as between by case columns cube distinct else except exists fill filter from grouping having ilike in
    interpolate intersect interval is join like limit not numbers offset on or over partition prewhere qualify rollup
    select sets staleness then to union using when where with
    aggregatefunction array bool date date32 datetime datetime32 datetime64 decimal decimal128 decimal256 decimal32
    decimal64 enum enum16 enum8 fixedstring json lowcardinality map nested nullable simpleaggregatefunction tuple
    variant dynamic int8 int16 int32 int64 int128 int256 uint8 uint16 uint32 uint64 uint128 uint256 float32 float64
    string uuid
    """
)


def rewrite(tree: exp.Query) -> str:
    """The text to run. Raises `SqlFault` for a function that is not offered."""
    ctes = cte_names(tree)
    for table in list(tree.find_all(exp.Table)):
        _scope(table, ctes)
    for column in tree.find_all(exp.Column):
        column.set("db", None)
    for select in tree.find_all(exp.Select):
        _merge_prewhere(select)
    sql = tree.sql(dialect="clickhouse", comments=False)
    _check_calls(tokens(sql))
    return sql


def _scope(table: exp.Table, ctes: frozenset[str]) -> None:
    if isinstance(table.parent, exp.Final):
        table.parent.replace(table)  # the views tell each fact once already
    if isinstance(table.this, exp.Anonymous) or (table.name in ctes and not table.db):
        return
    query = scoped(table.db, table.name)
    if query is None:
        raise SqlFault(ACCESS_DENIED, f"There is no table {table.name}.")
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
    inner = sqlglot.parse_one(query, dialect="clickhouse")
    table.replace(exp.Subquery(this=inner, alias=alias, joins=table.args.get("joins")))


def _merge_prewhere(select: exp.Select) -> None:
    prewhere = select.args.get("prewhere")
    if prewhere is not None:
        select.set("prewhere", None)
        select.where(prewhere.this, copy=False, dialect="clickhouse")


def _check_calls(found: list[Token]) -> None:
    for token, following in pairwise(found):
        if following.token_type is not TokenType.L_PAREN or not _is_word(token):
            continue
        name = token.text.lower()
        if token.token_type is TokenType.IDENTIFIER or not (
            _GRAMMAR.issuperset(name.split()) or is_callable(name)
        ):
            raise SqlFault(ACCESS_DENIED, f"The function {token.text} is not offered to analysts.")
    if any(token.token_type is TokenType.SEMICOLON for token in found):
        raise SqlFault(SYNTAX_ERROR, "Expected exactly one query.")


def _is_word(token: Token) -> bool:
    return (
        token.token_type is TokenType.IDENTIFIER
        or token.text[:1].isalpha()
        or token.text[:1] == "_"
    )
