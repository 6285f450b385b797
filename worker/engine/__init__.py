"""The training engine: torch and the contract, nothing else of ours. `python -m worker.engine` uses it alone."""
