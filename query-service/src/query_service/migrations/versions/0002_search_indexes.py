"""Indexes on admin's table, built beside its writers (CREATE INDEX CONCURRENTLY).

Not in a transaction, so each step can be repeated: an index that a broken run left invalid is dropped first.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = "public.artstore_search_fold(original_filename)"
_TEXT = "public.artstore_search_text(original_filename, description, tags)"
_DOCUMENT = "public.artstore_search_document(original_filename, description, tags, metadata)"
_EXTENSION = "public.artstore_search_extension(original_filename)"

INDEXES = {
    "files_search_document_idx": f"GIN ({_DOCUMENT})",
    "files_search_text_idx": f"GIN ({_TEXT} {{trgm}}.gin_trgm_ops)",
    "files_search_name_part_idx": f"GIN ({_NAME} {{trgm}}.gin_trgm_ops)",
    "files_search_name_idx": f"btree ({_NAME}, file_id)",
    "files_search_tags_idx": "GIN (tags)",
    "files_search_metadata_idx": "GIN (metadata jsonb_path_ops)",
    "files_search_extension_idx": f"btree ({_EXTENSION}, uploaded_at)",
    "files_search_size_idx": "btree (size, file_id)",
    "files_search_uploaded_by_idx": "btree (uploaded_by, uploaded_at)",
    "files_search_content_type_idx": "btree (content_type, uploaded_at)",
}
_SCHEMA_OF = (
    "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = :name"
)


def upgrade() -> None:
    trgm = op.get_bind().execute(text(_SCHEMA_OF), {"name": "pg_trgm"}).scalar_one()
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
            method = columns.format(trgm=f'"{trgm}"')
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON public.files USING {method}")
        # The planner knows nothing of an expression until its index has been looked at.
        op.execute("ANALYZE public.files")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
