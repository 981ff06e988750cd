"""Runs the migrations, as a role that may index admin's table. Admin's own migrations come first."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

VERSION_TABLE = "alembic_version_query"
_SCRIPTS = Path(__file__).parent.parent / "migrations"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the schema to `revision`. Running it again, or twice at once, changes nothing."""
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Takes out what came after `revision`; `base` takes out everything of this service's."""
    command.downgrade(_config(url), revision)
