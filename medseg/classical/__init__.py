"""Segmenters without learning, as honest baselines."""
