"""The worker of the service: hears the ring, claims a run, and supervises a training process of its own.

Nothing here but `trainer` and `training` ever imports torch, so that a worker starts quickly and outlives its
trainings.
"""
