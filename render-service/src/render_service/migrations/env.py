"""Alembic's entry."""

from artstore_postgres.migrations import run_env

run_env()
