"""Latency tables: schema, building, prediction, calibration, errors, import of other people's tables."""
