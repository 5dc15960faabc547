"""What a trial says of itself in one line, and what all of them say together."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from tests.chaos.ledger import Ledger, Verdict

_HEAD = (
    *("row", "trial", "seed", "faults", "kills"),
    *("accepted", "stored", "lost", "duplicated", "recovery"),
)


@dataclass(slots=True)
class Trial:
    """One run of one row of the fault table: its seed, its ledger, the faults it injected, its recoveries.

    Draw every random choice from `random`, so that the seed is the run. A test ends with
    `trial.judge(await copies(client))`, which holds it to nothing lost and nothing there twice; or, where
    there is no store, with `trial.settle(Verdict(...))`.
    """

    row: int
    name: str
    seed: int
    random: Random = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    recoveries: list[float] = field(default_factory=list)
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        self.random = Random(f"{self.name}/{self.seed}")

    def inject(self, fault: str, times: int = 1) -> None:
        """Count a fault, in two or three words, as it is injected."""
        self.faults[fault] += times

    def kill(self, whom: str) -> None:
        """Count a SIGKILL, a fault as well, as it is sent."""
        self.inject(f"{whom} killed")
        self.kills += 1

    @contextmanager
    def recovery(self) -> Iterator[None]:
        """Measures from here, where the fault has happened (or has ended), to where work goes on again."""
        start = time.monotonic()
        yield
        self.recoveries.append(time.monotonic() - start)

    def judge(self, copies: Mapping[str, int]) -> None:
        """Hold what is stored against the ledger: lost 0, duplicated 0."""
        self.settle(self.ledger.judge(copies))

    def settle(self, verdict: Verdict) -> None:
        """The same, with a verdict that the test has come to by itself."""
        self.verdict = verdict
        assert (verdict.lost, verdict.duplicated) == (0, 0), self.line()

    def cells(self) -> Sequence[str]:
        """The columns of its line in the table."""
        faults = ", ".join(f"{count} x {fault}" for fault, count in self.faults.items())
        verdict = self.verdict
        counts = (
            ("-",) * 4
            if verdict is None
            else (verdict.accepted, verdict.stored, verdict.lost, verdict.duplicated)
        )
        longest = f"{max(self.recoveries):.1f} s" if self.recoveries else "-"
        return [
            str(cell)
            for cell in (
                self.row,
                self.name,
                self.seed,
                faults or "-",
                self.kills,
                *counts,
                longest,
            )
        ]

    def line(self) -> str:
        """`seed 11: 3 x sink killed; accepted 600, stored 600, lost 0, duplicated 0; longest recovery 2.1 s`."""
        _, _, seed, faults, _, accepted, kept, lost, duplicated, longest = self.cells()
        return (
            f"row {self.row}, seed {seed}: {faults}; accepted {accepted}, stored {kept}, "
            f"lost {lost}, duplicated {duplicated}; longest recovery {longest}"
        )


@dataclass(slots=True)
class Report:
    """Every trial of a session."""

    trials: list[Trial] = field(default_factory=list)

    def recovery_p95(self) -> float | None:
        """The recovery that 95 of 100 were no longer than, by nearest rank; None without any."""
        every = sorted(seconds for trial in self.trials for seconds in trial.recoveries)
        return every[math.ceil(0.95 * len(every)) - 1] if every else None

    def table(self) -> str:
        """A Markdown table of a line for each trial, by row and seed, and one sentence about all."""
        rows = [trial.cells() for trial in sorted(self.trials, key=lambda t: (t.row, t.seed))]
        lines = [_HEAD, ("---",) * len(_HEAD), *rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{self._sum()}"

    def _sum(self) -> str:
        verdicts = [trial.verdict for trial in self.trials if trial.verdict is not None]
        p95 = self.recovery_p95()
        return (
            f"{len(self.trials)} trials, {sum(sum(t.faults.values()) for t in self.trials)} faults, "
            f"{sum(trial.kills for trial in self.trials)} of them kills: "
            f"accepted {sum(v.accepted for v in verdicts)}, stored {sum(v.stored for v in verdicts)}, "
            f"lost {sum(v.lost for v in verdicts)}, duplicated {sum(v.duplicated for v in verdicts)}; "
            + ("no recovery measured" if p95 is None else f"recovery p95 {p95:.1f} s")
            + "."
        )
