"""Reads leeway.yaml: the whole of it is valid, or every fault is told with its line."""

from collections.abc import Mapping
from pathlib import Path

from shared.config import Config
from shared.config.document import Unreadable, Value, parse
from shared.config.reading import Reading
from shared.config.section import Section
from shared.config.shape import config_of
from shared.errors import Invalid


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in a file, or the built-in one when there is no file.

    `environ` answers the file's `${ENV}` references. Raises `Invalid` whose `faults` are all that is
    wrong, each as `leeway.yaml:LINE: path.to.key: sentence`; no fault ever shows a secret.
    """
    reading = Reading(environ)
    name = "leeway.yaml" if path is None else path.name
    root = Section(reading, None if path is None else _root(path, reading))
    config = config_of(root)
    root.close()
    faults = reading.faults(name)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise Invalid(f"{path} has {count}.", faults=faults)
    return config


def _root(path: Path, reading: Reading) -> Value | None:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except Unreadable as error:
        reading.fault_at(error.line, error.sentence)
    except UnicodeDecodeError:
        reading.fault_at(1, "the file is not UTF-8 text.")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from error
    return None
