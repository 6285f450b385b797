"""Metrics: taking them in, reading them out, and the live stream."""
