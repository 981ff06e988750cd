"""Admin's migrations, run as the role that owns the tables."""

from __future__ import annotations

from pathlib import Path

from artstore_postgres.migrations import Migrations

MIGRATIONS = Migrations(
    scripts=Path(__file__).parent.parent / "migrations", version_table="alembic_version_admin", lock=0x61646D6E
)
