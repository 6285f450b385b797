"""Runs: what is asked of them, what they are, and the one function that changes their status."""
