"""Where the demo is shown as it goes: one live screen on a terminal, a line per tenth elsewhere."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from services.cli.demo.report import Report
from services.cli.demo.wording import account, progress

BAR_WIDTH = 32


class Screen(Protocol):
    """Open while it is used."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, stage: str, done: float, report: Report) -> None:
        """Show the stage by its name, the share of all calls that were sent, and the report so far."""
        ...


class LiveScreen:
    """A terminal: one screen that is drawn anew each time, and gone at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, stage: str, done: float, report: Report) -> None:
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            f"[bold]{stage:<27}[/]",
            ProgressBar(total=1, completed=done, width=BAR_WIDTH),
            f"{done:4.0%} {report.seconds:4.0f} s",
        )
        shown = account(report, self._console.width)
        self._live.update(Group(bar, "", shown), refresh=True)


class PlainScreen:
    """A file or a pipe: a line whenever another tenth is done or another stage begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ("", -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Every line is out already."""

    def show(self, stage: str, done: float, report: Report) -> None:
        reached = (stage, int(done * 10))
        if reached != self._last:
            self._last = reached
            self._console.print(progress(stage, done, report), soft_wrap=True)


def screen_of(console: Console) -> Screen:
    """The screen that fits where the console writes to."""
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)
