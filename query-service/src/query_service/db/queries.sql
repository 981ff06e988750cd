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
-- One page, and beside it the count, of one instant; a page past the end still gives one row, with the count alone. `kept`
-- says whether hits are found first, by the index, as many as `bounded` lets; or as many as it takes: in the order asked
-- for, each file looked at. `worthwhile` says what must hold for the page to be made at all.
WITH hits AS {kept} (
    SELECT f.file_id, {sort_key} AS sort_key FROM files AS f WHERE {conditions} {bounded}
), counted AS (
    SELECT count(*) AS total FROM (SELECT 1 FROM hits LIMIT :count_limit) AS bounded
), page AS (
    SELECT * FROM hits
    WHERE {after} AND {worthwhile} ORDER BY sort_key {direction}, file_id {direction} LIMIT :limit OFFSET :offset
)
SELECT counted.total, f.file_id, f.original_filename, f.content_type, f.size, f.checksum,
       f.uploaded_by, f.uploaded_at, f.description, f.tags, f.metadata, f.status,
       f.retention_policy, f.ttl_days, f.expires_at, f.revision, page.sort_key, {relevance} AS relevance,
       {marked_filename} AS marked_filename, {marked_description} AS marked_description
FROM counted LEFT JOIN (page JOIN files AS f USING (file_id) {taken_apart}) ON true
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
-- The day from which on about this share of all files was uploaded, and which share was since its midnight, as far as the
-- planner's statistics know.
WITH known AS (
    SELECT CAST(CAST(histogram_bounds AS text) AS timestamptz[]) AS bounds FROM pg_stats
    WHERE schemaname = 'public' AND tablename = 'files' AND attname = 'uploaded_at'
), place AS (
    SELECT bounds, array_length(bounds, 1) AS last, 1 + (array_length(bounds, 1) - 1) * (1 - :share) AS at FROM known
), chosen AS (
    SELECT bounds, last, CAST((bounds[floor(at)] + (bounds[least(floor(at) + 1, last)] - bounds[floor(at)]) * (at - floor(at)))
        AT TIME ZONE 'UTC' AS date) AS since
    FROM place WHERE last > 1
), begun AS (
    SELECT *, CAST(since AS timestamp) AT TIME ZONE 'UTC' AS midnight FROM chosen
), counted AS (
    SELECT *, width_bucket(midnight, bounds) AS bucket FROM begun
)
SELECT since, CASE WHEN bucket = 0 THEN 1 WHEN bucket >= last THEN 0 ELSE
    1 - (bucket - 1 + extract(epoch FROM midnight - bounds[bucket])
        / greatest(extract(epoch FROM bounds[bucket + 1] - bounds[bucket]), 1e-6)) / (last - 1) END AS share
FROM counted

-- search_estimate --
-- How many rows the planner expects, where counting them all would cost too much.
EXPLAIN (FORMAT JSON) SELECT 1 FROM files AS f WHERE {conditions}

-- search_sample --
-- How many hits there are among the newest files. The planner takes words for strangers to each other, and knows little of
-- parts of words: it is wrong by any factor, and reads too much or too little.
SELECT count(*) FROM files AS f WHERE {conditions} AND {window}

-- search_facets --
-- The commonest values of some properties among all hits, or among those of a window. Each hit is read once for all of them.
WITH hits AS MATERIALIZED (
    SELECT f.original_filename, f.tags, f.content_type, f.uploaded_by, f.retention_policy, f.status, f.uploaded_at,
           f.expires_at
    FROM files AS f WHERE {conditions} AND {window}
)
{facets}

-- search_facet --
-- One of them.
(SELECT '{facet}' AS facet, value, count(*) AS count
FROM hits AS f CROSS JOIN LATERAL {values} AS found(value)
WHERE value IS NOT NULL
GROUP BY value ORDER BY count(*) DESC, value LIMIT :facet_limit)
