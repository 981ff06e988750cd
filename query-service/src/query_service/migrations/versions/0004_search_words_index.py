"""Indexes that know the day beside the words, built beside writers; then those that they replace go.

Of a word that is in a quarter of all files, the newest are read and not all: the scan skips from one file of these days
to the next. The functions of the replaced index stay for processes of the version before, which still call them.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ARGUMENTS = "original_filename, description, tags"
_TEXT = f"public.artstore_search_text({_ARGUMENTS}) {{trgm}}.gin_trgm_ops"
_DAY = "CAST(uploaded_at AT TIME ZONE 'UTC' AS date)"
INDEXES = {
    "files_search_words_day_idx": f"public.artstore_search_words({_ARGUMENTS}, metadata), ({_DAY})",
    "files_search_text_day_idx": f"{_TEXT}, ({_DAY})",
}
_REPLACED = {
    "files_search_document_idx": f"public.artstore_search_document({_ARGUMENTS}, metadata)",
    "files_search_text_idx": _TEXT,
}
_SCHEMA_OF = (
    "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = :name"
)


def _exchange(wanted: dict[str, str], old: dict[str, str]) -> None:
    trgm = op.get_bind().execute(text(_SCHEMA_OF), {"name": "pg_trgm"}).scalar_one()
    with op.get_context().autocommit_block():
        for name, columns in wanted.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
            given = columns.format(trgm=f'"{trgm}"')
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON public.files USING GIN ({given})")
        for name in old:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
        # The planner knows nothing of an expression until its index has been looked at.
        op.execute("ANALYZE public.files")


def upgrade() -> None:
    _exchange(INDEXES, _REPLACED)


def downgrade() -> None:
    _exchange(_REPLACED, INDEXES)
