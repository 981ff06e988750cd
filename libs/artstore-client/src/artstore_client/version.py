"""The package's version, from its metadata: one place to raise it."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("artstore-client")
USER_AGENT = f"artstore-client/{__version__}"
