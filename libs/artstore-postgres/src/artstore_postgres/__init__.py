"""The way to PostgreSQL: engines, one word for its absence, migrations."""
