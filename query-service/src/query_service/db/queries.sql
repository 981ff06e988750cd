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
    SELECT f.*, {sort_key} AS sort_key, {relevance} AS relevance FROM files AS f WHERE {conditions}
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
-- The same by relevance. To rank a hit, its text is taken apart into words, which costs a thousand times what finding it
-- did. So of the newest hits those are ranked whose names have the most of the words, and everything else comes behind,
-- unranked. OFFSET 0 keeps the planner from walking the files by time, where it would take each one apart to see whether
-- it is a hit; the index knows.
WITH hits AS NOT MATERIALIZED (
    SELECT f.* FROM files AS f WHERE {conditions}
), newest AS MATERIALIZED (
    SELECT * FROM (SELECT file_id, uploaded_at, original_filename FROM hits OFFSET 0) AS fenced
    ORDER BY uploaded_at DESC, file_id DESC LIMIT :newest_limit
), nearest AS MATERIALIZED (
    SELECT file_id FROM newest ORDER BY {words_in_name} DESC, uploaded_at DESC, file_id DESC LIMIT :ranked_limit
), ranked AS MATERIALIZED (
    SELECT f.file_id, greatest({relevance}, 1e-20::real) AS sort_key FROM files AS f JOIN nearest USING (file_id)
), page AS (
    SELECT * FROM ({listed}) AS listed
    WHERE {after} ORDER BY sort_key {direction}, file_id {direction} LIMIT :limit OFFSET :offset
), counted AS (
    SELECT count(*) AS total FROM (SELECT 1 FROM hits LIMIT :count_limit) AS bounded
)
SELECT counted.total, f.file_id, f.original_filename, f.content_type, f.size, f.checksum,
       f.uploaded_by, f.uploaded_at, f.description, f.tags, f.metadata, f.status,
       f.retention_policy, f.ttl_days, f.expires_at, f.revision, page.sort_key, page.sort_key AS relevance,
       {marked_filename} AS marked_filename, {marked_description} AS marked_description
FROM counted LEFT JOIN (page JOIN files AS f USING (file_id)) ON true
ORDER BY page.sort_key {direction}, page.file_id {direction}

-- search_estimate --
-- How many rows the planner expects, where counting them all would cost too much.
EXPLAIN (FORMAT JSON) SELECT 1 FROM files AS f WHERE {conditions}

-- search_facet --
-- The commonest values of one property among all hits.
SELECT value, count(*) AS count
FROM files AS f CROSS JOIN LATERAL {values} AS found(value)
WHERE {conditions} AND value IS NOT NULL
GROUP BY value ORDER BY count(*) DESC, value LIMIT :facet_limit
