"""What the demo shows: fits its width, and is plain where there is no terminal."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from services.cli.demo.installation import Target
from services.cli.demo.report import Alert, Report
from services.cli.demo.screen import LiveScreen, PlainScreen, screen_of
from services.cli.demo.traffic import Plant, script
from services.cli.demo.wording import account, further, introduction, verdict
from shared.lifecycle import ClickHouseAddress
from tests.unit.test_cli_demo import NOW, a_detection, a_report

OWN = Target(
    "http://127.0.0.1:40001",
    "lk",
    ClickHouseAddress("http://127.0.0.1:40002", "default", "p"),
    login="export LEEWAY_DATA=/d LEEWAY_SQL_PORT=40002",
)
LONG = (
    "A sentence that goes on and on, as sentences about drift do, for well over one line of text."
)


def a_full_report() -> Report:
    alert = Alert(
        "drift", f"Drift in refusal_rate: {LONG}", "hook", True, NOW + timedelta(seconds=2)
    )
    report = a_report()
    return a_report(alerts=(*report.alerts, alert))


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    texts = [
        introduction(OWN, script(1), 40, width),
        account(a_full_report(), width),
        verdict(a_full_report(), width),
        verdict(a_report(alerts=()), width),
    ]

    lines = [line for text in texts for line in text.plain.splitlines()]

    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


def test_the_account_says_what_was_planted_seen_and_told() -> None:
    lines = account(a_report(), 100).plain.splitlines()

    assert lines == [
        "Calls     10 sent, 10 accepted, 10 recorded; 1 failed, as scripted",
        "Spend     0.0000 USD for 0 tokens; p50 latency 0.0 ms",
        "Feedback  4 thumbs, 4 joined to their calls",
        "",
        "Planted, 120 calls each",
        "  a new topic    half ask about batteries that burn             seen in 1.0 s",
        "  worse answers  half of the answers refuse, or say nothing     seen in 1.0 s",
        "  a cost jump    the calls read a hundred times as many tokens  seen in 1.0 s",
        "",
        "Detections",
        "  a new topic +1.0 s    embedding         12 > 9  d",
        "    embedding rose. Learnt from 300.",
        "  worse answers +1.0 s  refusal_rate      12 > 9  d",
        "    refusal_rate rose. Learnt from 300.",
        "",
        "Alerts, as they arrived at hook",
        "  12:00:21  signature valid  0.6 USD spent",
    ]


def test_a_detection_before_the_first_plant_is_called_a_false_alarm() -> None:
    report = a_report(detections=(a_detection("embedding", -1), a_detection("embedding", 1)))

    assert "  false alarm           embedding" in account(report, 80).plain
    assert "1 false alarm before the first drift." in verdict(report, 200).plain


def test_a_given_installation_is_told_its_environment_and_what_cannot_be_seen() -> None:
    target = Target("http://a", "lk", OWN.sql, "demo-1")

    said = " ".join(introduction(target, script(1), 40, 80).plain.split())

    assert "an environment of their own there, demo-1." in said
    assert "whether a webhook or another channel delivers them cannot be seen" in said


def test_only_an_installation_that_stays_up_is_there_to_be_asked() -> None:
    assert "LEEWAY_DATA" in further(OWN, up=True).plain
    assert "LEEWAY_DATA" not in further(OWN, up=False).plain


def test_without_a_terminal_there_is_a_line_a_tenth_and_no_control_code() -> None:
    output = io.StringIO()
    screen = screen_of(Console(file=output, width=80))
    assert isinstance(screen, PlainScreen)

    with screen:
        for done in (0.0, 0.05, 0.11, 0.19, 0.2):
            screen.show("normal traffic", done, Report(seconds=7.0))
        screen.show(Plant.TOPIC, 0.2, a_report())

    assert output.getvalue().splitlines() == [
        "   7 s    0%  normal traffic                   0 accepted      0 recorded",
        "   7 s   11%  normal traffic                   0 accepted      0 recorded",
        "   7 s   20%  normal traffic                   0 accepted      0 recorded",
        "   0 s   20%  a new topic                     10 accepted     10 recorded",
    ]


def test_a_terminal_gets_one_screen_with_a_bar() -> None:
    output = io.StringIO()
    screen = screen_of(Console(file=output, width=80, force_terminal=True))
    assert isinstance(screen, LiveScreen)

    with screen:
        screen.show("normal traffic", 0.5, a_report())

    assert "normal traffic" in output.getvalue()
    assert "50%" in output.getvalue()
    assert "10 recorded" in output.getvalue()
