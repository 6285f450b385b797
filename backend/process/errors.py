"""What stops a command, told in sentences to the person at the terminal."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on; the text names the value, the limit and the remedy, and no traceback is shown."""
