"""Whether it was memory that a training lacked, and what to do about it."""

from __future__ import annotations

import torch

from worker.contract.config import RunConfig

#: torch has a class for GPUs only; on a CPU its allocator, oneDNN and C++ each have their own words.
WORDS = ("can't allocate memory", "could not create a primitive", "could not create a memory", "std::bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)


def reason_of(error: BaseException, config: RunConfig) -> str:
    """Why a training failed in a way that the engine did not foresee, for the person who launched it."""
    if not is_out_of_memory(error):
        return f"{type(error).__name__}: {error}"
    remedy = (
        f"raise accumulation (now {config.accumulation}), lower batch ({config.batch}), image_size "
        f"({config.image_side}) or depth ({int(config.depth)}), or turn amp on"
    )
    return f"out of memory: {remedy}. {str(error).splitlines()[0] if str(error) else ''}".strip()
