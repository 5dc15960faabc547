"""What a tree may be made of: allow-lists of node classes, of the parts of a SELECT, and of what names mean."""

from collections.abc import Iterator

from sqlglot import exp

from services.warehouse.gate.tables import TENANT_PARAMETER, VIEWS, scoped
from services.warehouse.words import words

_STRUCTURE: tuple[type[exp.Expr], ...] = (
    exp.Alias,
    exp.Between,
    exp.Binary,
    exp.Boolean,
    exp.Bracket,
    exp.Column,
    exp.Columns,
    exp.Connector,
    exp.CTE,
    exp.DataType,
    exp.DataTypeParam,
    exp.Distinct,
    exp.Filter,
    exp.Final,
    exp.Fetch,
    exp.From,
    exp.Func,
    exp.Group,
    exp.Having,
    exp.Identifier,
    exp.In,
    exp.Interval,
    exp.IntervalSpan,
    exp.Join,
    exp.JSONPathPart,
    exp.JSONPath,
    exp.Lambda,
    exp.Limit,
    exp.Literal,
    exp.Neg,
    exp.Not,
    exp.Null,
    exp.Offset,
    exp.Order,
    exp.Ordered,
    exp.Paren,
    exp.Placeholder,
    exp.PreWhere,
    exp.Qualify,
    exp.Rollup,
    exp.Cube,
    exp.GroupingSets,
    exp.Select,
    exp.SetOperation,
    exp.Star,
    exp.Subquery,
    exp.Table,
    exp.TableAlias,
    exp.Tuple,
    exp.Var,
    exp.Where,
    exp.Window,
    exp.WindowSpec,
    exp.With,
    exp.WithFill,
)
# Binary, or a function, to the parser; to us a way around the list of functions or of tables.
_NEVER: tuple[type[exp.Expr], ...] = (exp.PropertyEQ, exp.Kwarg)
_SELECT_PARTS = words(
    """
    distinct expressions from_ group having joins limit offset order prewhere qualify where windows with_
    """
)
_UNION_PARTS = words("this expression distinct by_name order limit offset with_")
_TABLE_PARTS = words("this db alias joins final")
_SUBQUERY_PARTS = words("this alias joins with_ order limit offset")
_JOIN_PARTS = words("this on using kind side method alias")
_PARTS: tuple[tuple[type[exp.Expr], frozenset[str]], ...] = (
    (exp.Select, _SELECT_PARTS),
    (exp.SetOperation, _UNION_PARTS),
    (exp.Table, _TABLE_PARTS),
    (exp.Subquery, _SUBQUERY_PARTS),
    (exp.Join, _JOIN_PARTS),
)
_NUMBERS = "numbers"


def faults_of(tree: exp.Query) -> Iterator[str]:
    """Every reason why the tree may not run, as sentences; none when it may."""
    names = _Names(tree)
    for node in tree.walk():
        yield from _class_faults(node)
        yield from _part_faults(node)
        match node:
            case exp.Table():
                yield from _table_faults(node, names)
            case exp.Column():
                yield from _column_faults(node, names)
            case exp.Identifier() if not node.name.isprintable():
                yield "a name holds a character that cannot be printed"
            case exp.Placeholder():
                yield from _placeholder_faults(node)
            case exp.In():
                yield from _in_faults(node)
            case exp.CTE():
                yield from _cte_faults(node)
            case _:
                pass


def cte_names(tree: exp.Query) -> frozenset[str]:
    """The names under which the query's own sub-queries can be read as tables."""
    ctes = tree.find_all(exp.CTE)
    return frozenset(cte.alias for cte in ctes if isinstance(cte.this, exp.Query))


class _Names:
    """The names that a query gives itself: of its CTEs, and of whatever may qualify a column."""

    def __init__(self, tree: exp.Query) -> None:
        self.ctes = cte_names(tree)
        aliases = {alias.name for alias in tree.find_all(exp.TableAlias)}
        tables = {table.name for table in tree.find_all(exp.Table)}
        nested = {node.alias for node in tree.find_all(exp.Alias)}
        self.qualifiers = self.ctes | aliases | tables | nested | {"attempts"}


def _class_faults(node: exp.Expr) -> Iterator[str]:
    if not isinstance(node, _STRUCTURE) or isinstance(node, _NEVER):
        yield f"{type(node).__name__} is not offered to analysts"


def _part_faults(node: exp.Expr) -> Iterator[str]:
    allowed = next((parts for kind, parts in _PARTS if isinstance(node, kind)), None)
    if allowed is not None:
        extra = [part for part, value in node.args.items() if value and part not in allowed]
        yield from (f"{part.strip('_').upper()} is not offered to analysts" for part in extra)
    if isinstance(node, exp.Select) and not node.expressions:
        yield "a SELECT names no columns"
    if isinstance(node, exp.With) and node.args.get("recursive"):
        yield "WITH RECURSIVE is not offered to analysts"


def _table_faults(table: exp.Table, names: _Names) -> Iterator[str]:
    if isinstance(table.this, exp.Anonymous):
        if table.this.name.lower() != _NUMBERS or table.args.get("db"):
            yield f"the table function {table.this.name} is not offered to analysts"
    elif not isinstance(table.this, exp.Identifier):
        yield "a table must be named in the query's text"
    elif not (table.name in names.ctes and not table.db) and scoped(table.db, table.name) is None:
        name = f"{table.db}.{table.name}" if table.db else table.name
        yield f"there is no table {name}; the views are {', '.join(sorted(VIEWS))}"


def _column_faults(column: exp.Column, names: _Names) -> Iterator[str]:
    if column.args.get("catalog"):
        yield f"the column {column.sql('clickhouse')} has too many parts"
    if column.db and not (column.db == "leeway" and column.table in VIEWS):
        yield f"the column {column.sql('clickhouse')} is of no table in the query"
    of_a_tuple = isinstance(column.this, exp.Literal)  # pair.1
    if column.table and column.table not in names.qualifiers and not of_a_tuple:
        yield f"{column.table}.{column.name}: nothing in the query is named {column.table}"


def _placeholder_faults(node: exp.Placeholder) -> Iterator[str]:
    if not isinstance(node.args.get("kind"), exp.DataType):
        yield f"the parameter {node.name} needs a data type, as in {{{node.name}:String}}"
    if node.name.startswith("leeway_") or node.name == TENANT_PARAMETER:
        yield f"the parameter {node.name} is not the query's to use"


def _in_faults(node: exp.In) -> Iterator[str]:
    field = node.args.get("field")
    names_a_table = isinstance(field, exp.Column | exp.Dot | exp.Identifier)
    only = node.expressions[0] if len(node.expressions) == 1 else None
    if names_a_table or isinstance(only, exp.Column | exp.Dot):
        yield "IN takes a list or a subquery; write has(array, x) to look into an array column"


def _cte_faults(cte: exp.CTE) -> Iterator[str]:
    if scoped("", cte.alias) or scoped("system", cte.alias):
        yield f"WITH {cte.alias} would hide a table of that name"
