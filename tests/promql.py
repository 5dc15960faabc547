"""What a PromQL query asks for: its metrics and the labels it uses, checked against what the platform tells."""

import re

from prometheus_client import Counter, Gauge, Histogram
from promql_parser import AggregateExpr, VectorSelector, parse, walk

import shared.metrics

# Prometheus' own metric, and the labels that it adds to each.
_SCRAPED = {"up": {"job"}}
_ADDED = {"le", "process", "instance"}

_SUFFIXES: dict[type, list[str]] = {
    Counter: ["_total"],
    Gauge: [""],
    Histogram: ["_bucket", "_count", "_sum"],
}
_VARIABLES = re.compile(r"\$__(rate_interval|interval|range)")


def told() -> dict[str, set[str]]:
    """The labels of every series that may be asked for, by its name."""
    return _SCRAPED | {
        f"{metric._name}{suffix}": set(metric._labelnames)
        for metric in vars(shared.metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for suffix in _SUFFIXES[type(metric)]
    }


def faults(expression: str) -> list[str]:
    """What is wrong with a query: metrics and labels that nobody tells. Raises `ValueError` for its syntax."""
    known, wrong = told(), []
    names, labels = _uses(_VARIABLES.sub("5m", expression))
    wrong += [f"no metric {name}" for name in names - known.keys()]
    shown = _ADDED.union(*(known[name] for name in names & known.keys()))
    return wrong + [f"no label {label} of {sorted(names)}" for label in labels - shown]


def metrics_of(expression: str) -> set[str]:
    """The series that a query asks for."""
    return _uses(_VARIABLES.sub("5m", expression))[0]


def _uses(expression: str) -> tuple[set[str], set[str]]:
    names: set[str] = set()
    labels: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, VectorSelector):
            names.add(node.name or "")
            labels.update(matcher.name for matcher in node.matchers.matchers)
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            labels.update(node.modifier.labels)
        return True

    walk(parse(expression), visit)
    return names, labels
