"""The functions that search and its indexes share.

Each is declared IMMUTABLE, as an index on it needs. `unaccent` is only STABLE because its dictionary could be exchanged;
nobody exchanges it here, and whoever does must REINDEX. The bodies are SQL-standard ones: names in them are resolved
now and for good, so neither a search_path nor a restored dump can change what they mean.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEPARATORS = "._-/\\@:,;+=()[]{}<>|#&!?*\"'`~^%$…—–«»№“”„•·\x02\x03\t\r\n"

_FUNCTIONS = r"""
CREATE FUNCTION public.artstore_search_fold(given text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower({unaccent}.unaccent('{unaccent}.unaccent'::regdictionary, given));

COMMENT ON FUNCTION public.artstore_search_fold IS 'Lower case, without accents: what letters look like to a search';

CREATE FUNCTION public.artstore_search_split(given text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN translate(given, {separators}, {spaces});

COMMENT ON FUNCTION public.artstore_search_split IS 'Separators of names as spaces, one for one';

CREATE FUNCTION public.artstore_search_extension(original_filename text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(substring(original_filename FROM '\.([^.]+)$'));

COMMENT ON FUNCTION public.artstore_search_extension IS 'The last extension in lower case, without its dot';

CREATE FUNCTION public.artstore_search_text(original_filename text, description text, tags text[]) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN public.artstore_search_fold(
        original_filename || E'\n' || coalesce(description, '') || E'\n' || array_to_string(tags, E'\n'));

COMMENT ON FUNCTION public.artstore_search_text IS 'What mode partial looks into';

CREATE FUNCTION public.artstore_search_lexemes(given text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector('pg_catalog.russian'::regconfig,
                       public.artstore_search_split(public.artstore_search_fold(coalesce(given, ''))))
        || strip(to_tsvector('pg_catalog.simple'::regconfig,
                             public.artstore_search_split(public.artstore_search_fold(coalesce(given, '')))));

COMMENT ON FUNCTION public.artstore_search_lexemes IS
    'Russian and English word stems (that configuration stems Latin words as English), and the plain words without '
    'positions, for searches that consist of nothing but stop words';

CREATE FUNCTION public.artstore_search_values(metadata jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
        SELECT string_agg(found.value #>> '{{}}', E'\n')
        FROM jsonb_path_query(metadata, 'strict $.** ? (@.type() == "string" || @.type() == "number")') AS found(value)
    );

COMMENT ON FUNCTION public.artstore_search_values IS 'The strings and numbers anywhere in a file''s metadata';

CREATE FUNCTION public.artstore_search_document(
    original_filename text, description text, tags text[], metadata jsonb) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN setweight(public.artstore_search_lexemes(original_filename), 'A')
        || setweight(public.artstore_search_lexemes(array_to_string(tags, E'\n')), 'B')
        || setweight(public.artstore_search_lexemes(description), 'C')
        || setweight(public.artstore_search_lexemes(public.artstore_search_values(metadata)), 'D');

COMMENT ON FUNCTION public.artstore_search_document IS 'What mode fulltext looks into';

CREATE FUNCTION public.artstore_search_query(query text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE
        WHEN numnode(websearch_to_tsquery('pg_catalog.russian'::regconfig, public.artstore_search_fold(query))) > 0
        THEN websearch_to_tsquery('pg_catalog.russian'::regconfig, public.artstore_search_fold(query))
        ELSE websearch_to_tsquery('pg_catalog.simple'::regconfig, public.artstore_search_fold(query))
    END;

COMMENT ON FUNCTION public.artstore_search_query IS 'What mode fulltext looks for: stems, or plain words if all are stop words';

CREATE FUNCTION public.artstore_search_pattern(part text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN '%' || replace(replace(replace(public.artstore_search_fold(part), '\', '\\'), '%', '\%'), '_', '\_') || '%';

COMMENT ON FUNCTION public.artstore_search_pattern IS 'LIKE pattern for a part of a text, taken literally';
"""

NAMES = ("fold", "split", "extension", "text", "lexemes", "values", "document", "query", "pattern")
_SCHEMA_OF = (
    "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = :name"
)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def upgrade() -> None:
    bind = op.get_bind()
    unaccent = bind.execute(text(_SCHEMA_OF), {"name": "unaccent"}).scalar_one_or_none()
    if unaccent is None:
        raise RuntimeError("the extension unaccent is missing: CREATE EXTENSION unaccent, pg_trgm, btree_gin first")
    script = _FUNCTIONS.format(
        unaccent=f'"{unaccent}"', separators=_quoted(SEPARATORS), spaces=_quoted(" " * len(SEPARATORS))
    )
    for statement in script.split("\n\n"):
        bind.exec_driver_sql(statement)
    for name in NAMES:
        # Admin's role too: whoever inserts a row evaluates the expressions of its indexes.
        bind.exec_driver_sql(f"REVOKE ALL ON FUNCTION public.artstore_search_{name} FROM PUBLIC")
        bind.exec_driver_sql(
            f"GRANT EXECUTE ON FUNCTION public.artstore_search_{name} TO artstore_admin, artstore_query"
        )


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"DROP FUNCTION public.artstore_search_{name}")
