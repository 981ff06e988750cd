"""PostgreSQL, read only: statements and migrations."""
