"""Render's migrations: a schema of its own, `render`. Admin's come first, for the roles."""

from __future__ import annotations

from pathlib import Path

from artstore_postgres.migrations import Migrations

MIGRATIONS = Migrations(
    scripts=Path(__file__).parent.parent / "migrations", version_table="alembic_version_render", lock=0x72656E64
)
