"""Which detector watches which feature."""

from services.drift.detectors.detector import Detector
from services.drift.detectors.embedding.calibration import Effort
from services.drift.detectors.embedding.detector import EmbeddingDetector
from services.drift.detectors.rates import RateDetector
from services.drift.detectors.scores import ScoreDetector

EMBEDDING = "embedding"


def new_detector(feature: str, seed: int, effort: Effort) -> Detector:
    """A detector of the feature's kind, not fitted: rates are yes or no, other numbers in [0, 1]."""
    if feature == EMBEDDING:
        return EmbeddingDetector(seed=seed, effort=effort)
    return RateDetector() if feature.endswith("_rate") else ScoreDetector()


def stored_detector(feature: str, baseline: bytes, progress: bytes) -> Detector:
    """The detector of the feature's kind that was dumped."""
    if feature == EMBEDDING:
        return EmbeddingDetector.load(baseline, progress)
    kind = RateDetector if feature.endswith("_rate") else ScoreDetector
    return kind.load(baseline, progress)
