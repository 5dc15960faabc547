"""The gate, by its corpora: what a tenant's user may never run, and what an analyst must be able to."""

import re

import pytest

from services.warehouse.faults import SqlFault
from services.warehouse.gate.admission import admit
from services.warehouse.gate.witness import objections, parse_tree
from tests.corpora.analyst_sql import ALLOWED, REFUSED


@pytest.mark.parametrize("sql", REFUSED)
def test_the_gate_refuses(sql: str) -> None:
    with pytest.raises(SqlFault):
        admit(sql)


@pytest.mark.parametrize("sql", ALLOWED)
def test_the_gate_admits(sql: str) -> None:
    admitted = admit(sql)

    unscoped = re.sub(
        r"\(SELECT \* FROM (leeway|system)\.\w+ WHERE [^()]*(\([^()]*\))?[^()]*\)", "", admitted.sql
    )
    assert "leeway." not in unscoped
    assert "system." not in unscoped


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(REFUSED)) >= 100
    assert len(set(ALLOWED)) >= 60


def test_a_table_becomes_its_rows_of_one_tenant_under_its_own_name() -> None:
    admitted = admit("SELECT usage_v1.cost_usd FROM usage_v1")

    assert admitted.sql == (
        "SELECT usage_v1.cost_usd FROM (SELECT * FROM leeway.usage_v1"
        " WHERE tenant = {leeway_tenant: String}) AS usage_v1"
    )


def test_an_alias_is_kept() -> None:
    assert admit("SELECT u.cost_usd FROM leeway.usage_v1 u").sql.endswith(") AS u")


def test_a_format_is_taken_out_of_the_text() -> None:
    admitted = admit("SELECT 1 FORMAT JSONEachRow")

    assert (admitted.sql, admitted.format) == ("SELECT 1", "JSONEachRow")


def test_a_comment_does_not_reach_the_engine() -> None:
    assert admit("SELECT /* one */ 1 -- two").sql == "SELECT 1"


def test_prewhere_becomes_where_because_the_views_are_queries() -> None:
    admitted = admit("SELECT 1 FROM usage_v1 PREWHERE status = 'priced'")

    assert admitted.sql.endswith("AS usage_v1 WHERE status = 'priced'")


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(SqlFault) as refusal:
        admit("SELECT * FROM leeway.usage, file('/etc/passwd') SETTINGS readonly = 0")

    assert "there is no table leeway.usage" in refusal.value.message
    assert "table function file" in refusal.value.message
    assert "SETTINGS" in refusal.value.message


_SCOPED = """\
SelectWithUnionQuery (children 1)
 ExpressionList (children 1)
  SelectQuery (children 3)
   ExpressionList (children 1)
    Asterisk
   TablesInSelectQuery (children 1)
    TablesInSelectQueryElement (children 1)
     TableExpression (children 1)
      TableIdentifier leeway.usage_v1
   Function equals (children 1)
    ExpressionList (children 2)
     Identifier tenant
     Literal '{tenant}'
"""


def _nested(tenant: str) -> str:
    inner = "".join(f"     {line}\n" for line in _SCOPED.format(tenant=tenant).splitlines())
    return (
        "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)\n"
        "   TableExpression (children 1)\n    Subquery (alias u) (children 1)\n" + inner
    )


def test_the_witness_knows_a_scoped_table_by_its_whole_shape() -> None:
    scope = parse_tree(_SCOPED.format(tenant="acme"))

    assert list(objections(parse_tree(_nested("acme")), frozenset(), [scope])) == []


def test_the_witness_refuses_the_same_table_scoped_to_another_tenant() -> None:
    scope = parse_tree(_SCOPED.format(tenant="acme"))

    assert list(objections(parse_tree(_nested("other")), frozenset(), [scope])) == [
        "the table leeway.usage_v1"
    ]


@pytest.mark.parametrize(
    ("tree", "objection"),
    [
        ("SelectQuery (children 1)\n Set", "Set"),
        ("SelectQuery\n2", "Statements"),
        ("SelectQuery\n(not a node", "Unreadable"),
        ("SelectWithUnionQuery (children 2)\n ExpressionList\n Identifier CSV", "Identifier CSV"),
        ("SelectWithUnionQuery (children 2)\n ExpressionList\n Literal '/x'", "Literal '/x'"),
        ("DropQuery  leeway usage (children 2)", "DropQuery"),
        ("Function file (children 1)\n ExpressionList", "the function file"),
        ("TableExpression (children 1)\n Function url", "the table function url"),
        ("TableIdentifier system.users", "the table system.users"),
        (
            "Function in (children 1)\n ExpressionList (children 2)\n  Identifier x\n  Identifier t",
            "in of a table",
        ),
    ],
)
def test_the_witness_objects(tree: str, objection: str) -> None:
    assert objection in list(objections(parse_tree(tree), frozenset(), []))


def _distance(*arguments: str) -> str:
    lines = [line for argument in arguments for line in argument.splitlines()]
    inner = "\n".join(f"  {line}" for line in lines)
    return f"Function editDistance (children 1)\n ExpressionList (children 2)\n{inner}"


def _cut(name: str, length: str) -> str:
    literal = f"  Literal {length}"
    return f"Function {name} (children 1)\n ExpressionList (children 2)\n  Identifier a\n{literal}"


@pytest.mark.parametrize(
    ("arguments", "objections_told"),
    [
        ((_cut("left", "UInt64_1000"), _cut("LEFT", "UInt64_1")), 0),
        ((_cut("leftUTF8", "UInt64_1000"), "Literal 'abc'"), 0),
        ((_cut("left", "UInt64_1001"), "Literal 'abc'"), 1),
        ((_cut("left", "Int64_-1"), "Literal 'abc'"), 1),
        ((_cut("right", "UInt64_9"), "Literal 'abc'"), 1),
        (("Identifier a", "Literal 'abc'"), 1),
    ],
)
def test_texts_are_compared_by_edits_when_they_are_short(
    arguments: tuple[str, ...], objections_told: int
) -> None:
    found = list(objections(parse_tree(_distance(*arguments)), frozenset(), []))

    told = "editDistance of texts of any length (write editDistance(left(a, 1000), left(b, 1000)))"
    assert found == [told] * objections_told
