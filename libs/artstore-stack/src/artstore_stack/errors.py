"""What a person who typed `make up` has to hear of."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what it was asked to; the message says why and what helps."""
