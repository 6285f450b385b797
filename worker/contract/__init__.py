"""What every part of ResDrop agrees on. Pydantic and the standard library only; it imports nothing of ours."""

VERSION = "0.1.0"

#: The number of this contract. It is raised when a reader of the former number would take a ring or a message for
#: something else: when a default or the meaning of a setting changes. A setting that is added raises nothing, since
#: whoever does not know it refuses a run that uses it, by name.
CONTRACT = 2
#: The numbers of rings that this version reads as they were meant.
READABLE_CONTRACTS = frozenset({1, 2})
