"""The whole of ArtStore on one machine: `make up`, and the same from Python."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artstore_stack.errors import StackError
    from artstore_stack.stack import Stack
    from artstore_stack.status import PartStatus

__all__ = ["PartStatus", "Stack", "StackError"]

_WHERE = {"PartStatus": "status", "Stack": "stack", "StackError": "errors"}


def __getattr__(name: str) -> object:
    # On demand (PEP 562): the containers' preparation has no supervisor installed, and needs none.
    if name not in _WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"artstore_stack.{_WHERE[name]}"), name)
