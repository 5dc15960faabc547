"""Prompts in a folder of files, read again when they change: a snapshot that is replaced as a whole."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from services.serving.prompts.port import Prompt
from services.serving.prompts.reading import Read, read_prompt
from shared.clock import Clock, pause
from shared.errors import Invalid
from shared.metrics import PROMPTS_REFUSED

log = structlog.get_logger()

_Stamp = tuple[int, int, int]  # when it was written, its size, and which file it is
_At = tuple[str, str]  # tenant and name


@dataclass(slots=True)
class _File:
    """What is known of a file: how it was last read, how it last looked, and why it could not be read then."""

    read: Read | None = None
    taken: _Stamp | None = None
    seen: _Stamp | None = None
    fault: str = ""


@dataclass(slots=True)
class _Shelf:
    """Every file of the folder, as it was when it was last looked at."""

    folder: Path
    files: dict[str, _File] = field(default_factory=dict)

    def look(self, *, settled: bool) -> bool:
        """Read what has changed; whether anything was. With `settled`, only what has stood still since the last look.

        A writer that is not done yet would else be taken at half its word, which may be valid YAML, too.
        """
        if not self.folder.is_dir():
            return False  # as while a volume is mounted anew: what was read holds on
        paths = {path.name: path for path in _prompt_files(self.folder)}
        changed = bool(self.files.keys() - paths.keys())
        for gone in self.files.keys() - paths.keys():
            del self.files[gone]
        for name, path in paths.items():
            file = self.files.setdefault(name, _File())
            stamp = _stamp(path)
            ready = (
                stamp is not None and stamp != file.taken and (stamp == file.seen or not settled)
            )
            file.seen = stamp
            if ready:
                _take(file, path, stamp)
                changed = True
        return changed

    def prompts(self) -> tuple[Mapping[_At, Prompt], Mapping[str, str]]:
        """The prompts of all files, and by file why it could not be read."""
        found: dict[_At, Prompt] = {}
        faults = {name: file.fault for name, file in self.files.items() if file.fault}
        for name, file in sorted(self.files.items()):
            for tenant in file.read.tenants if file.read is not None else ():
                assert file.read is not None
                prompt = file.read.prompt
                if found.setdefault((tenant, prompt.name), prompt) is not prompt:
                    faults[name] = f"the prompt {prompt.name!r} of {tenant!r} is in another file."
        return found, faults


class FilePrompts:
    """The prompts of a folder's files (`*.yaml`); satisfies `PromptSource`.

    Open it to read them: a file that cannot be read is then refused (`Invalid`, every file at once). While
    `run` runs, files are looked at every `seconds`; one that cannot be read then changes nothing.
    """

    def __init__(self, folder: Path, clock: Clock, seconds: float = 2.0) -> None:
        self._shelf = _Shelf(folder)
        self._clock = clock
        self._seconds = seconds
        self._prompts: Mapping[_At, Prompt] = {}
        self._faults: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        if not self._shelf.folder.is_dir():
            raise Invalid(f"There is no folder {str(self._shelf.folder)!r} of prompts.")
        await asyncio.to_thread(self._shelf.look, settled=False)
        self._prompts, self._faults = self._shelf.prompts()
        if self._faults:
            told = tuple(f"{name}: {fault}" for name, fault in sorted(self._faults.items()))
            raise Invalid(f"{len(told)} of the prompts cannot be read.", faults=told)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._prompts = {}

    def prompt(self, tenant: str, name: str) -> Prompt | None:
        return self._prompts.get((tenant, name))

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the files until `stop` is set."""
        while not stop.is_set():
            await pause(self._clock, self._seconds, stop)
            await self.look()

    async def look(self) -> None:
        """Take up what has changed, and stood still since the last look."""
        if await asyncio.to_thread(self._shelf.look, settled=True):
            self._prompts, faults = self._shelf.prompts()
            for name, fault in faults.items():
                if self._faults.get(name) != fault:
                    log.error("prompts.refused", file=name, reason=fault)
            self._faults = faults
            PROMPTS_REFUSED.set(len(faults))
            log.info("prompts.read", prompts=len(self._prompts), refused=len(faults))


def _prompt_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.yaml") if not path.name.startswith(".")]


def _stamp(path: Path) -> _Stamp | None:
    """How a file looks; None when it is gone meanwhile."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino


def _take(file: _File, path: Path, stamp: _Stamp | None) -> None:
    """Read a file; what it said before stands where it cannot be read."""
    file.taken = stamp
    try:
        file.read, file.fault = read_prompt(path.read_text(encoding="utf-8")), ""
    except Invalid as fault:
        file.fault = fault.message
    except UnicodeDecodeError:
        file.fault = "it is not UTF-8 text."
    except OSError as fault:
        file.taken, file.fault = None, f"it cannot be read: {fault.strerror}."
