"""What the demo says of itself, as lines that fit a width."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.text import Text

from services.cli.demo.books import QUESTIONS
from services.cli.demo.installation import GROUP_WAIT_SECONDS, Target
from services.cli.demo.report import Alert, Detection, Planted, Report
from services.cli.demo.traffic import PLANTED_CALLS, Plant, Scene

_PLANTS = {
    Plant.TOPIC: "half ask about batteries that burn",
    Plant.ANSWERS: "half of the answers refuse, or say nothing",
    Plant.COST: "the calls read a hundred times as many tokens",
}
_PROOFS = {True: "signature valid", False: "signature INVALID", None: "seen in SQL"}


def beside(url: str) -> str:
    """That an installation runs here, on which the demo does not play, and how it would."""
    return f"Leeway runs here, at {url}, and is left alone. To play on it: leeway demo --here"


def introduction(target: Target, scenes: Sequence[Scene], rate: float, width: int) -> Text:
    """Where the demo plays, and what is about to happen."""
    calls = sum(len(scene.calls) for scene in scenes)
    own = (
        "It has the settings of any installation but one: detections wait"
        f" {GROUP_WAIT_SECONDS} s for company before they are told, and not 30."
        if target.login
        else f"The calls have an environment of their own there, {target.environment}. Its alerts are"
        " read in SQL: whether a webhook or another channel delivers them cannot be seen from here."
    )
    said = (
        f"Leeway answers at {target.url}, SQL at {target.sql.url}. {own} {calls:,} calls follow,"
        f" {rate:g} a second: {len(scenes[0].calls)} normal ones to learn from, then three drifts."
    )
    return Text("\n".join((*textwrap.wrap(said, width), "")))


def progress(stage: str, done: float, report: Report) -> str:
    """One line of where the demo stands."""
    return (
        f"{report.seconds:4.0f} s {done:5.0%}  {stage:<28}"
        f"{report.sent.accepted:6,} accepted {report.recorded.calls:6,} recorded"
    )


def account(report: Report, width: int) -> Text:
    """The numbers, the plants, the detections and the alerts."""
    parts = (
        [*_figures(report), Text()],
        [Text(f"Planted, {PLANTED_CALLS} calls each", "bold"), *_plants(report), Text()],
        [Text("Detections", "bold"), *_detections(report, width), Text()],
        [Text(_alerts_title(report), "bold"), *_alerts(report, width)],
    )
    return Text("\n").join([line for part in parts for line in part])


def verdict(report: Report, width: int) -> Text:
    """Whether all is as promised."""
    if report.missing:
        return Text("\n".join(textwrap.wrap(report.missing, width)), "bold red")
    noticed = sum(report.noticed(one) is not None for one in report.planted)
    alarms = len(report.false_alarms)
    said = (
        f"Every accepted call is recorded. {noticed} of {len(report.planted)} drifts were noticed and"
        f" {_quantity(len(report.alerts), 'alert')} told. {_quantity(alarms, 'false alarm')} before"
        " the first drift."
    )
    return Text("\n".join(textwrap.wrap(said, width)), "bold green")


def further(target: Target, *, up: bool) -> Text:
    """What one could ask next, in lines to copy; `up` says whether there will be somebody to answer."""
    said = "Ask more, in another terminal:" if up else "Ask more: with --stay it stays up for that."
    login = [target.login] if up and target.login else []
    asking = [f'leeway sql "{question}"' for question in QUESTIONS]
    end = ["Ctrl-C ends it."] if login else []
    return Text("\n".join((said, *(f"  {line}" for line in (*login, *asking)), *end)))


def _figures(report: Report) -> Iterator[Text]:
    sent, recorded = report.sent, report.recorded
    yield Text.assemble(
        f"Calls     {sent.calls:,} sent, {sent.accepted:,} accepted, ",
        (f"{recorded.calls:,} recorded", "bold"),
        f"; {recorded.failed:,} failed, as scripted",
    )
    yield Text.assemble(
        "Spend     ",
        (f"{recorded.cost_usd:.4f} USD", "bold"),
        f" for {recorded.tokens:,} tokens; p50 latency {recorded.median_seconds * 1000:.1f} ms",
    )
    yield Text(f"Feedback  {sent.thumbs:,} thumbs, {recorded.thumbs:,} joined to their calls")


def _plants(report: Report) -> Iterator[Text]:
    begun = {one.plant: one for one in report.planted}
    for plant, what in _PLANTS.items():
        yield Text(f"  {plant:<15}{what:<47}{_noticed(report, begun.get(plant))}")


def _noticed(report: Report, planted: Planted | None) -> str:
    if planted is None:
        return ""
    found = report.noticed(planted)
    return f"seen in {found.seconds:.1f} s" if found else "not seen"


def _detections(report: Report, width: int) -> Iterator[Text]:
    for seen in report.detections:
        yield Text.assemble(
            f"  {_when(seen, report):<22}",
            (f"{seen.feature:<18}", "cyan"),
            f"{_number(seen.statistic)} > {_number(seen.threshold)}",
            (f"  {seen.detector}", "dim"),
        )
        yield from _indented(f"    {seen.summary} Learnt from {seen.reference_size:,}.", 4, width)
    if not report.detections:
        yield Text("  none yet", "dim")


def _when(seen: Detection, report: Report) -> str:
    before = [one for one in report.planted if one.at <= seen.detected_at]
    if not before:
        return "false alarm"
    seconds = (seen.detected_at - before[-1].at).total_seconds()
    return f"{before[-1].plant} +{seconds:.1f} s"


def _alerts_title(report: Report) -> str:
    channels = sorted({alert.channel for alert in report.alerts if alert.channel})
    return f"Alerts, as they arrived at {', '.join(channels)}" if channels else "Alerts"


def _alerts(report: Report, width: int) -> Iterator[Text]:
    for alert in report.alerts:
        yield from _indented(_alert(alert), 29, width)
    if not report.alerts:
        yield Text("  none yet", "dim")


def _alert(alert: Alert) -> str:
    return f"  {alert.at:%H:%M:%S}  {_PROOFS[alert.verified]:<17}{alert.title}"


def _indented(text: str, indent: int, width: int) -> Iterator[Text]:
    for line in textwrap.wrap(text, width, subsequent_indent=" " * indent):
        yield Text(line)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _quantity(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}" if count == 1 else f"{count or 'No'} {noun}s"
