"""The log of a process: one JSON object a line, without the values that a failure happened to hold."""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import Processor

MAX_FILE_BYTES = 16 * 1024 * 1024
KEPT_FILES = 4

# Locals of a frame hold prompts, answers and keys: a traceback tells where, never with what.
_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
_ADDED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _TRACEBACKS,
)


def log_to(path: Path | None, *, max_file_bytes: int = MAX_FILE_BYTES) -> None:
    """Send everything that is logged to a file that is turned over before it is too large, or to standard output.

    Of libraries only warnings and worse are kept.
    """
    handler = logging.StreamHandler(sys.stdout) if path is None else _file(path, max_file_bytes)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=_ADDED,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("services", "shared"):
        logging.getLogger(ours).setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_ADDED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _file(path: Path, max_bytes: int) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(path, maxBytes=max_bytes, backupCount=KEPT_FILES)
