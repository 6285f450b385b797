"""The work: the contract that everybody speaks, the training engine, and the jobs that run it on devices."""
