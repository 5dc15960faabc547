"""A finding in one sentence that a person understands."""

from services.drift.detectors.detector import Detection
from services.drift.domain import Finding

_LONGEST_QUOTE = 80
_NAMES = {
    "refusal_rate": "Refusals",
    "thumbs_down_rate": "Thumbs down",
    "error_rate": "Failed calls",
}


def summary(finding: Finding) -> str:
    """What changed, by how much, an example where there is one to quote, and how often chance says so."""
    begin = "Still so: " if finding.continuing else ""
    return begin + _claim(finding) + _example(finding) + _chance(finding) + "."


def _claim(finding: Finding) -> str:
    found = finding.detection
    match found.direction:
        case "new":
            return (
                f"New kind of input: {_share(found)} lie outside what the reference covers "
                f"({found.before:.0%} did there)"
            )
        case "surge":
            return (
                f"Surge of a known kind of input: {_share(found)}, "
                f"against {found.before:.0%} in the reference"
            )
        case "shift":
            return (
                f"Inputs shifted as a whole: the last {found.window} differ from the reference on "
                "average, though each by itself would not stand out"
            )
        case _:
            return _number_claim(finding)


def _share(found: Detection) -> str:
    return f"{found.after:.0%} of the last {found.window} inputs"


def _number_claim(finding: Finding) -> str:
    found, feature = finding.detection, finding.observation.key.feature
    verb = "rose" if found.direction == "up" else "fell"
    if feature.endswith("_rate"):
        name = _NAMES.get(feature, feature)
        change = f"{found.before:.1%} to {found.after:.1%}"
    else:
        name = "Mean " + feature.replace(":", " ")
        change = f"{found.before:.3f} to {found.after:.3f}"
    return f"{name} {verb} from {change} over the last {found.window} observations"


def _example(finding: Finding) -> str:
    quotes = [label.text for label in finding.examples if label.text]
    if not quotes:
        return ""
    quote = quotes[0]
    if len(quote) > _LONGEST_QUOTE:
        quote = quote[: _LONGEST_QUOTE - 1].rstrip() + "…"
    return f'; e.g. "{quote}"'


def _chance(finding: Finding) -> str:
    return f"; false alarms of this model: 1 in {finding.model_run_length:,.0f} calls"
