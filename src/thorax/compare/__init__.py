"""Runs beside each other: the regression gate, paired comparison, external data."""
