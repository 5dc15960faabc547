"""Trials: each is told its seed, prints its line, and stands in the table at the end of the session.

`--rounds N` runs every trial N times with other seeds; `--recovery-goal S` fails a session whose
recoveries' 95th percentile is longer than S seconds. `make chaos` gives both.
"""

from collections.abc import Iterator

import pytest

from services.local.broker import Broker, a_broker
from tests.chaos.report import Report, Trial

FIRST_SEED = 11
REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1)
    parser.addoption("--recovery-goal", type=float, default=None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A trial for each round, its seed in its name."""
    if "trial" in metafunc.fixturenames:
        rounds: int = metafunc.config.getoption("--rounds", 1)
        seeds = range(FIRST_SEED, FIRST_SEED + rounds)
        metafunc.parametrize("trial", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The trial of a test that says with `@pytest.mark.fault(ROW)` which row of the fault table it is."""
    marker = request.node.get_closest_marker("fault")
    assert marker is not None, "a trial names its row: @pytest.mark.fault(ROW)"
    trial = Trial(marker.args[0], request.node.originalname, request.param)
    request.config.stash.setdefault(REPORT, Report()).trials.append(trial)
    yield trial
    _say(request.config, trial.line())


def _say(config: pytest.Config, line: str) -> None:
    """Tell it now, whether output is captured or not."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capturing = config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capturing is not None:
        with capturing.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    report = config.stash.get(REPORT, None)
    if report is not None:
        terminalreporter.section("chaos")
        terminalreporter.write_line(report.table())


def pytest_sessionfinish(session: pytest.Session) -> None:
    goal: float | None = session.config.getoption("--recovery-goal", None)
    report = session.config.stash.get(REPORT, None)
    slowest = report.recovery_p95() if report is not None else None
    if goal is not None and slowest is not None and slowest > goal:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka broker that lives as long as the trials; who kills or freezes it starts it again."""
    with a_broker(tmp_path_factory.mktemp("broker") / "data") as running:
        yield running
