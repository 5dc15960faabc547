"""What a process logs: JSON, bounded, and never what a prompt said."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.logs import KEPT_FILES, log_to

CANARY = "patient-4711-is-ill"
MAX_BYTES = 10_000


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    log_to(tmp_path / "logs" / "core.log", max_file_bytes=MAX_BYTES)
    yield tmp_path / "logs" / "core.log"
    for handler in root.handlers:
        handler.close()
    logging.basicConfig(level=level, handlers=before, force=True)
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def fail_on(prompt: str) -> None:
    raise ValueError(len(prompt))


def test_a_traceback_tells_where_and_never_with_what(path: Path) -> None:
    log = structlog.get_logger("shared.log.consumer")
    try:
        fail_on(CANARY)
    except ValueError:
        log.exception("consumer.crash", group="drift")

    (line,) = lines(path)
    assert (line["event"], line["group"], line["level"]) == ("consumer.crash", "drift", "error")
    assert "fail_on" in json.dumps(line["exception"])
    assert CANARY not in path.read_text()


def test_a_library_is_heard_from_its_warnings_on_and_we_from_what_we_tell(path: Path) -> None:
    logging.getLogger("aiokafka").info("heartbeat")
    logging.getLogger("aiokafka").warning("%s is gone", "broker 1")
    structlog.get_logger("services.process").info("process.ready")

    assert [(line["event"], line["level"]) for line in lines(path)] == [
        ("broker 1 is gone", "warning"),
        ("process.ready", "info"),
    ]


def test_a_log_does_not_grow_without_end(path: Path) -> None:
    log = structlog.get_logger("shared.log.consumer")
    for _ in range(100):
        log.info("x", text="x" * 1_000)

    files = sorted(file.name for file in path.parent.iterdir())
    assert files == ["core.log", *(f"core.log.{n}" for n in range(1, KEPT_FILES + 1))]
    assert all(file.stat().st_size <= MAX_BYTES for file in path.parent.iterdir())
