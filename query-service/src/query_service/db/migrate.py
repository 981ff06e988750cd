"""Query's migrations, run as a role that may index admin's table. Admin's own come first."""

from __future__ import annotations

from pathlib import Path

from artstore_postgres.migrations import Migrations

MIGRATIONS = Migrations(
    scripts=Path(__file__).parent.parent / "migrations", version_table="alembic_version_query", lock=0x71756572
)
