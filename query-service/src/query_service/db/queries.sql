-- Every statement of this service. `-- name --` begins one; the lines after it say what it is for.

-- get_file --
-- One file's row, with where its bytes are. The caller judges status and expiry.
SELECT f.file_id, f.original_filename, f.content_type, f.size, f.checksum, f.uploaded_by, f.uploaded_at, f.description,
       f.tags, f.metadata, f.status, f.retention_policy, f.ttl_days, f.expires_at, f.revision,
       e.storage_id, e.url, e.mode, coalesce(e.synced_epoch, e.epoch) AS epoch
FROM files AS f
JOIN storage_elements AS e ON e.storage_id = f.storage_element_id
WHERE f.file_id = :file_id

-- mark_deleted --
-- A file that its element has no more; the function, which is all that this role may change anything by, looks whether
-- it is still there that the file should be.
SELECT artstore_mark_deleted(:file_id, :storage_id)

-- list_elements --
-- The storage elements and where they are, for readiness.
SELECT storage_id, url FROM storage_elements ORDER BY storage_id

-- search_page --
-- One page, and beside it the count, of one instant. `hits` is inlined twice, so the count computes no columns that it
-- does not need; a page past the end still gives one row, with the count alone.
WITH hits AS NOT MATERIALIZED (
    SELECT f.*, {sort_key} AS sort_key, {relevance} AS relevance FROM files AS f {taken_apart} WHERE {conditions}
), page AS (
    SELECT * FROM hits WHERE {after} ORDER BY sort_key {direction}, file_id {direction} LIMIT :limit OFFSET :offset
), counted AS (
    SELECT count(*) AS total FROM (SELECT 1 FROM hits LIMIT :count_limit) AS bounded
)
SELECT counted.total, page.file_id, page.original_filename, page.content_type, page.size, page.checksum,
       page.uploaded_by, page.uploaded_at, page.description, page.tags, page.metadata, page.status,
       page.retention_policy, page.ttl_days, page.expires_at, page.revision, page.sort_key, page.relevance,
       {marked_filename} AS marked_filename, {marked_description} AS marked_description
FROM counted LEFT JOIN page ON true
ORDER BY page.sort_key {direction}, page.file_id {direction}

-- search_ranked --
-- The same by relevance. To rank a hit, its text is taken apart into words, which costs a hundred times what finding it
-- did. So of the newest hits those are ranked whose names have the most of the words, and everything else comes behind,
-- unranked. `window` keeps the number of hits down where there are more than are counted. MATERIALIZED keeps the planner
-- from walking the files by time, where it would take each one apart to see whether it is a hit; the index knows.
WITH hits AS MATERIALIZED (
    SELECT f.file_id, f.uploaded_at, f.original_filename FROM files AS f WHERE {conditions} AND {window}
), newest AS (
    SELECT * FROM hits ORDER BY uploaded_at DESC, file_id DESC LIMIT :newest_limit
), nearest AS MATERIALIZED (
    SELECT file_id FROM newest ORDER BY {nearness} DESC, uploaded_at DESC, file_id DESC LIMIT :ranked_limit
), ranked AS MATERIALIZED (
    SELECT f.file_id, greatest({relevance}, 1e-20::real) AS sort_key
    FROM files AS f JOIN nearest USING (file_id) {taken_apart}
), page AS (
    SELECT * FROM ({listed}) AS listed
    WHERE {after} ORDER BY sort_key {direction}, file_id {direction} LIMIT :limit OFFSET :offset
)
SELECT counted.total, f.file_id, f.original_filename, f.content_type, f.size, f.checksum,
       f.uploaded_by, f.uploaded_at, f.description, f.tags, f.metadata, f.status,
       f.retention_policy, f.ttl_days, f.expires_at, f.revision, page.sort_key, page.sort_key AS relevance,
       {marked_filename} AS marked_filename, {marked_description} AS marked_description
FROM (SELECT count(*) AS total FROM hits) AS counted LEFT JOIN (page JOIN files AS f USING (file_id)) ON true
ORDER BY page.sort_key {direction}, page.file_id {direction}

-- search_hurriedly --
-- For what is only tried because nothing was found: what is like a word is not in the index, and candidates are many.
SELECT set_config('statement_timeout', :milliseconds, true)

-- search_since --
-- The day from which on about this share of all files was uploaded, as far as the planner's statistics know.
WITH known AS (
    SELECT CAST(CAST(histogram_bounds AS text) AS timestamptz[]) AS bounds FROM pg_stats
    WHERE schemaname = 'public' AND tablename = 'files' AND attname = 'uploaded_at'
), place AS (
    SELECT bounds, array_length(bounds, 1) AS last, 1 + (array_length(bounds, 1) - 1) * (1 - :share) AS at FROM known
)
SELECT CAST((bounds[floor(at)] + (bounds[least(floor(at) + 1, last)] - bounds[floor(at)]) * (at - floor(at)))
    AT TIME ZONE 'UTC' AS date) AS since
FROM place WHERE last > 1

-- search_estimate --
-- How many rows the planner expects, where counting them all would cost too much.
EXPLAIN (FORMAT JSON) SELECT 1 FROM files AS f WHERE {conditions}

-- search_facet --
-- The commonest values of one property among all hits, or among those of a window.
SELECT value, count(*) AS count
FROM files AS f CROSS JOIN LATERAL {values} AS found(value)
WHERE {conditions} AND {window} AND value IS NOT NULL
GROUP BY value ORDER BY count(*) DESC, value LIMIT :facet_limit
