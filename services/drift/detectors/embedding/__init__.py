"""The embedding detector: many windows and statistics over vectors, calibrated on the reference alone."""
