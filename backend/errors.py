"""What can go wrong in the domain. The API maps each to one HTTP status (see `backend/problems.py`)."""

from __future__ import annotations


class ResDropError(Exception):
    """Base of all of them; its text is a sentence for the person who asked."""


class NotFound(ResDropError):
    """There is no such run, comparison or checkpoint."""


class Conflict(ResDropError):
    """What was asked does not fit the present state; the text says what would."""


class BadInput(ResDropError):
    """Refused input, by field; each sentence names the value, the limit and the remedy."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(text for texts in errors.values() for text in texts))
        self.errors = errors
