"""Metrics of predictions with their intervals: functions of arrays."""
