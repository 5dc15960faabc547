"""One pass over leeway.yaml: every fault with its line, the names that are defined, the secrets needed."""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.config.document import Value

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(slots=True)
class Reading:
    """One pass over one file: its faults, the names it defines and refers to, the secrets it needs."""

    environ: Mapping[str, str]
    secrets: dict[str, str] = field(default_factory=dict)
    _faults: list[tuple[int, str]] = field(default_factory=list)
    _defined: dict[str, dict[str, int]] = field(default_factory=dict)
    _referred: list[tuple[str, str, Value]] = field(default_factory=list)

    def fault(self, value: Value, sentence: str) -> None:
        """Something is wrong with this value."""
        self.fault_at(value.line, f"{value.path}: {sentence}" if value.path else sentence)

    def fault_at(self, line: int, sentence: str) -> None:
        """Something is wrong on this line."""
        self._faults.append((line, sentence))

    def define(self, kind: str, name: str, value: Value | None = None) -> None:
        """The name now means something; a second time is a fault. Without a value it is built in."""
        names = self._defined.setdefault(kind, {})
        if value is not None and names.get(name):
            self.fault(value, f"the {kind} '{name}' is already defined on line {names[name]}.")
            return
        names[name] = value.line if value is not None else 0

    def defines(self, kind: str, name: str) -> bool:
        """Whether the name means something so far."""
        return name in self._defined.get(kind, {})

    def refer(self, kind: str, name: str, value: Value) -> None:
        """The name must mean something by the end of the file."""
        self._referred.append((kind, name, value))

    def reference(self, value: Value) -> str:
        """A `${ENV}` reference whose variable is set; its value goes to `secrets`, never into a fault."""
        found = _REFERENCE.fullmatch(value.text)
        if found is None:
            self.fault(value, "a secret must be a reference like ${NAME}, never the secret itself.")
            return ""
        secret = self.environ.get(found[1], "")
        if not secret:
            self.fault(value, f"the environment variable {found[1]} is not set.")
        self.secrets[found[1]] = secret
        return value.text

    def faults(self, file: str) -> tuple[str, ...]:
        """Every fault as `file:LINE: path: sentence`, in the order of lines."""
        for kind, name, value in self._referred:
            if not self.defines(kind, name):
                known = self._defined.get(kind, {})
                self.fault(value, f"there is no {kind} '{name}'{suggestion(name, known)}")
        self._referred.clear()
        return tuple(f"{file}:{line}: {text}" for line, text in sorted(self._faults))


def suggestion(name: str, known: Collection[str]) -> str:
    """The known name that was probably meant, or the few that there are, as the end of a sentence."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f" (there is: {', '.join(sorted(known)[:12])})." if known else "."
