"""What `make up` says at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artstore_stack.stack import Stack

_TEXT = """
ArtStore is up.
  gateway      {gateway}  (TLS: {gateway_tls}, CA: {ca})
  console      {console}
  credentials  {credentials}  (accounts, passwords, addresses)

Try:
  {prefix}.venv/bin/artstore upload README.md --description "годовой отчёт"
  {prefix}.venv/bin/artstore search отчёт
  {prefix}make status
"""


def usage(stack: Stack) -> str:
    """Where everything is, and three commands to begin with."""
    content = stack.credentials
    prefix = "" if str(stack.data_dir) == ".artstore" else f"ARTSTORE_DATA_DIR={stack.data_dir} "
    return _TEXT.format(
        **{name: content[name] for name in ("gateway", "gateway_tls", "ca", "console")},
        credentials=stack.data_dir / "credentials.json",
        prefix=prefix,
    )
