"""An error in full, for the log and for who runs a command: a client hears no more than its message."""

from __future__ import annotations


def in_full(error: BaseException) -> str:
    """With what the operating system said, which names the path."""
    cause = error.__cause__
    return f"{error} ({cause})" if isinstance(cause, OSError) else str(error)
