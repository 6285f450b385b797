"""What can be said of trained runs: figures of a whole run, a verdict over pairs of them, and its sentences.

Plain inputs, no database and no files: service, engine and both reports show what is computed here, and compute nothing
of it themselves. A run's figures are in `figures`, the mean of a few values with its interval in `estimates`, the
comparison of pairs in `verdict`, of their times in `timing`, and what a person reads of it in `sentences`.
"""
