"""The house style, as far as a machine can read it: sizes, names, and the one place for each thing."""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from shared.topics import ALL
from tests.sources import ROOT, SERVICES, Source, sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
LONGEST_COMPOSITION = 80

RUN = ("services", "shared", "sdk", "benchmarks", "examples", "infra")

# Where a failure of any kind must end: a task of a process, and a batch of a group (twice: whole, one by one).
BROAD_EXCEPTS = {"shared/lifecycle.py": 1, "shared/log/consumer.py": 2}

# Settings read the environment. These hand it on, or look up what leeway.yaml refers to by ${NAME}; and Java
# is found as every program finds it.
ENVIRONMENT = {
    "services/backbone/config.py",
    "services/cli/alerts.py",
    "services/cli/demo/installation.py",
    "services/cli/seeding.py",
    "services/local/kafka_jars.py",
    "services/supervisor.py",
}

# The port itself; ids that hold the time (RFC 9562); a person and child processes that are waited for.
TIME = {
    "shared/clock.py",
    "shared/ids.py",
    "services/local/broker.py",
    "services/local/postgres.py",
}

# `shared` over `services`, in lines: ARCHITECTURE.md says why it is not a quarter. It may fall, and not rise.
SHARED_SHARE = 0.55

# What every process is built of, and belongs to none of its services.
FRAME = {"logs", "live_feed"}
# ClickHouse's, beside the control database's in shared/database.py: both are where an operator looks for them.
ALONE = {"migrations"}

ROLE_WORDS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
METRICS = {"Counter", "Gauge", "Histogram", "Summary"}
TIME_CALLS = re.compile(
    r"(datetime|date)\.(now|utcnow|today)|time\.(time|time_ns|monotonic|perf_counter|sleep)|asyncio\.sleep"
)
MACHINE_PATHS = re.compile(r"(?<![\w.{}/-])/(home|root|Users|work)/")
PROSE = {".py", ".md", ".toml", ".yml", ".yaml", ".sql", ".proto", ".cfg", ".json"}
PARTS = (*RUN, "tests", "docs", "protos/leeway_pb")


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    long = [
        f"{source.path}: {lines}"
        for source in sources()
        if (lines := source.text.count("\n")) > LONGEST_FILE
    ]

    assert long == []


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{source.path}:{node.lineno} {node.name}: {lines}"
        for source in sources()
        for node in _functions(source)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert long == []


def test_every_composition_is_read_on_one_page() -> None:
    lines = {
        name: (ROOT / "services" / name / "app.py").read_text().count("\n") for name in SERVICES
    }

    assert {name: count for name, count in lines.items() if count >= LONGEST_COMPOSITION} == {}


def test_every_module_says_what_it_is_in_a_sentence() -> None:
    silent = [source.path for source in sources() if source.text.strip() and not source.docstring]

    assert silent == []


def test_no_file_or_folder_is_named_by_a_role() -> None:
    named = [
        source.path
        for source in sources()
        if ROLE_WORDS & set(re.split(r"[/_.]", source.path.removesuffix(".py")))
    ]

    assert named == []


def test_broad_excepts_stand_where_a_failure_of_any_kind_must_end() -> None:
    found = Counter(source.path for source in sources(*RUN) for _ in _broad_excepts(source))

    assert found == BROAD_EXCEPTS


def test_a_topic_is_named_in_the_registry_of_topics_alone() -> None:
    names = {topic.name for topic in ALL}
    named = [
        f"{source.path}:{line}"
        for source in sources(*RUN)
        if source.path != "shared/topics.py"
        for line, text in source.strings()
        if text.removesuffix(".dlq") in names
    ]

    assert named == []


def test_a_metric_is_made_in_the_list_of_metrics_alone() -> None:
    making = [
        f"{source.path}:{node.lineno}"
        for source in sources(*RUN)
        if source.path != "shared/metrics.py"
        for node in source.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in METRICS
        if any(ast.unparse(argument).startswith("'leeway_") for argument in node.args[:1])
    ]

    assert making == []


def test_the_environment_is_read_by_settings_and_where_it_is_handed_on() -> None:
    reading = {
        source.path
        for source in sources("services", "shared")
        for _, name in source.dotted()
        if name in {"os.environ", "os.getenv"}
    }

    assert reading == ENVIRONMENT


def test_the_time_is_asked_of_the_clock_port_alone() -> None:
    asking = {
        source.path
        for source in sources("services", "shared")
        for _, name in source.dotted()
        if TIME_CALLS.fullmatch(name)
    }

    assert asking == TIME


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    known = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _read_by_people()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]

    assert known == []


def test_what_is_shared_has_two_users() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for source in sources("services", "shared"):
        for part in _shared_parts(source):
            users[part].add(_room(source.path))

    alone = {part for part, rooms in users.items() if len(rooms - {f"shared/{part}"}) < 2}

    assert alone - FRAME - ALONE == set()


def test_what_is_shared_does_not_outgrow_what_it_serves() -> None:
    lines = {
        folder: sum(source.text.count("\n") for source in sources(folder))
        for folder in ("services", "shared")
    }

    assert lines["shared"] / lines["services"] <= SHARED_SHARE


def _read_by_people() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for folder in PARTS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in PROSE and ".venv" not in path.parts:
                yield path


def _shared_parts(source: Source) -> Iterator[str]:
    """The parts of `shared` that a file imports: `log` of `shared.log.record`."""
    for node in source.nodes:
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("shared."):
                yield module.split(".")[1]


def _room(path: str) -> str:
    """A service, a part of `shared`, or one of the files that make a process."""
    return "/".join(path.removesuffix(".py").split("/")[:2])


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _broad_excepts(source: Source) -> Iterator[ast.ExceptHandler]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            yield node


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"})
        for name in names
    )
