"""The detectors of drift, one file or package per algorithm.

Each is `fit(reference)`, then `calibrate(target_run_length)`, then `update(batch)` for ever (`detector.py`).
"""
