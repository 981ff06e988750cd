-- Every statement of this service but those of the queue's library. `-- name --` begins one; the lines after it say what it is for.

-- get_source --
-- One file of the registry, with where its bytes are. The caller judges status and expiry.
SELECT f.file_id, f.original_filename, f.content_type, f.size, f.checksum, f.status, f.expires_at, e.storage_id, e.url, e.mode
FROM public.files AS f
JOIN public.storage_elements AS e ON e.storage_id = f.storage_element_id
WHERE f.file_id = :file_id

-- named_files --
-- Those of these files that the registry has.
SELECT file_id, original_filename, content_type, checksum, status, expires_at FROM public.files
WHERE file_id = ANY(:file_ids)

-- next_files --
-- The registry in the order of its key, for a reader that has lost its place.
SELECT file_id, original_filename, content_type, checksum, status, expires_at FROM public.files
WHERE file_id > :after ORDER BY file_id LIMIT :limit

-- next_orphans --
-- Jobs of files that the registry has no more.
SELECT j.file_id FROM render.jobs AS j
WHERE j.file_id > :after AND NOT EXISTS (
    SELECT FROM public.files AS f WHERE f.file_id = j.file_id AND f.status NOT IN ('deleted', 'expired'))
ORDER BY j.file_id LIMIT :limit

-- one_follower --
-- Of several workers one writes what it read of the outbox at a time.
SELECT pg_advisory_xact_lock(x'72656e646f757462'::bigint)

-- get_position --
-- Behind which event of the outbox everything was taken.
SELECT origin, transaction_id, id FROM render.positions

-- keep_position --
-- In the transaction of what was made of the events up to there.
INSERT INTO render.positions (origin, transaction_id, id) VALUES (:origin, :transaction_id, :number)
ON CONFLICT (one) DO UPDATE SET origin = excluded.origin, transaction_id = excluded.transaction_id, id = excluded.id

-- lock_jobs --
-- The jobs of these files, held until the end; in one order, so that two who hold several never wait for each other.
SELECT file_id, checksum FROM render.jobs WHERE file_id = ANY(:file_ids) ORDER BY file_id FOR UPDATE

-- add_job --
-- A file that has no job yet.
INSERT INTO render.jobs (id, file_id, checksum, media, state, priority)
VALUES (:id, :file_id, :checksum, :media, 'waiting', :priority)
ON CONFLICT (file_id) DO NOTHING RETURNING id, generation

-- set_queued --
-- The row of the queue that carries this job.
UPDATE render.jobs SET queue_id = :queue_id WHERE id = :id

-- forget_jobs --
-- Of files that are gone: what was made of them goes with the job.
DELETE FROM render.jobs WHERE file_id = ANY(:file_ids) RETURNING file_id, queue_id

-- prefixes_of --
-- Where what was made of these files lies.
SELECT DISTINCT prefix FROM render.renditions WHERE file_id = ANY(:file_ids)

-- hasten_removals --
-- What runs that are under way have written so far is wanted no more either.
UPDATE render.removals SET due = now()
WHERE EXISTS (SELECT FROM unnest(:file_ids) AS file_id WHERE starts_with(prefix, file_id::text || '/'))

-- forget_views --
-- So do the ways to it.
DELETE FROM render.views WHERE file_id = ANY(:file_ids)

-- remove_prefixes --
-- What lies below these in the store is to be removed, from `due` on.
INSERT INTO render.removals (prefix, due) SELECT unnest(:prefixes), :due
ON CONFLICT (prefix) DO UPDATE SET due = least(removals.due, excluded.due)

-- tell --
-- Whoever follows one of these files hears that there is news of it.
SELECT pg_notify('artstore_render', file_id::text) FROM unnest(:file_ids) AS file_id

-- get_job --
-- One job, by its own id.
SELECT * FROM render.jobs WHERE id = :id

-- get_job_of --
-- One job, by its file.
SELECT * FROM render.jobs WHERE file_id = :file_id

-- hold_job_of --
-- The same, and nobody else changes it until the end.
SELECT * FROM render.jobs WHERE file_id = :file_id FOR UPDATE

-- list_jobs --
-- A page of jobs, the latest change first. `total` beside it, of one instant; a page past the end has it alone.
WITH hits AS NOT MATERIALIZED (
    SELECT * FROM render.jobs
    WHERE (:state = '' OR state = :state) AND (CAST(:file_id AS uuid) IS NULL OR file_id = :file_id)
), page AS (
    SELECT * FROM hits ORDER BY updated_at DESC, id DESC LIMIT :limit OFFSET :offset
)
SELECT counted.total AS hits, page.* FROM (SELECT count(*) AS total FROM hits) AS counted LEFT JOIN page ON true
ORDER BY page.updated_at DESC, page.id DESC

-- raise_job --
-- It is looked at now.
UPDATE render.jobs SET priority = :priority WHERE id = :id

-- renew_job --
-- To be made anew, unless somebody was quicker.
UPDATE render.jobs SET state = 'waiting', generation = generation + 1, priority = :priority, run = NULL, queue_id = NULL,
    attempts = 0, done = 0, total = NULL, reason = NULL, permanent = false, updated_at = now()
WHERE id = :id AND generation = :generation AND state IN ('ready', 'failed') RETURNING *

-- forget_renditions --
-- What was made of a file until now.
DELETE FROM render.renditions WHERE file_id = :file_id RETURNING prefix

-- forget_other_runs --
-- What another run than this one made of a file.
DELETE FROM render.renditions WHERE file_id = :file_id AND NOT starts_with(prefix, :run_prefix) RETURNING prefix

-- forget_prefix --
-- What was published below this very prefix.
DELETE FROM render.renditions WHERE file_id = :file_id AND prefix = :prefix

-- start_run --
-- The job, if this row of the queue is still the one that carries it.
UPDATE render.jobs SET state = 'converting', run = :run, attempts = attempts + 1, done = 0, total = NULL, updated_at = now()
WHERE id = :id AND queue_id = :queue_id RETURNING *

-- note_progress --
-- Nothing for a run that has lost its job.
UPDATE render.jobs SET done = :done, total = :total, updated_at = now() WHERE id = :id AND run = :run RETURNING file_id

-- hold_run --
-- Nothing for a run that has lost its job; otherwise nobody takes it away before the end.
SELECT file_id FROM render.jobs WHERE id = :id AND run = :run FOR UPDATE

-- add_rendition --
-- Something that is in the store.
INSERT INTO render.renditions (id, file_id, name, kind, page, width, height, media_type, prefix, size, checksum, details)
VALUES (:id, :file_id, :name, :kind, :page, :width, :height, :media_type, :prefix, :size, :checksum, :details)

-- keep_prefix --
-- What lies below it is in use now.
DELETE FROM render.removals WHERE prefix = :prefix

-- end_run --
-- However it went. A job that was given back unfinished had no try.
UPDATE render.jobs SET state = :state, run = NULL, queue_id = :queue_id, reason = :reason, permanent = :permanent,
    technical = CASE WHEN CAST(:technical AS jsonb) IS NULL THEN technical ELSE :technical END, updated_at = now(),
    done = CASE WHEN :state = 'ready' THEN coalesce(total, done) ELSE done END,
    attempts = attempts - CASE WHEN :given_back THEN 1 ELSE 0 END
WHERE id = :id AND run = :run RETURNING file_id

-- live_runs --
-- Those of these runs that still have their job.
SELECT run FROM render.jobs WHERE run = ANY(:runs)

-- claim_removal --
-- Something to remove, put off so that no other worker is at it; if it is not done then, it is due again.
UPDATE render.removals SET due = now() + interval '10 minutes'
WHERE prefix = (SELECT prefix FROM render.removals WHERE due <= now() ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING prefix, due

-- in_use --
-- Whether a removal must not be: a run that takes long, or has just been published.
SELECT EXISTS (SELECT FROM render.renditions WHERE file_id = :file_id AND starts_with(prefix, :prefix))
    OR EXISTS (SELECT FROM render.jobs WHERE file_id = :file_id AND run = :run)

-- removed --
-- It is gone, unless it is wanted to go once more.
DELETE FROM render.removals WHERE prefix = :prefix AND due = :due

-- clean_log --
-- The queue's library writes down every step, and nothing reads it after a week.
DELETE FROM render.pgqueuer_log WHERE created < now() - interval '7 days'

-- clean_views --
-- Ways that nobody has renewed.
DELETE FROM render.views WHERE expires_at < now() - interval '1 hour'

-- list_renditions --
-- What is there of a file, in the order in which it is shown.
SELECT id, name, kind, page, width, height, media_type, prefix, size, checksum, '{}'::jsonb AS details, made_at
FROM render.renditions WHERE file_id = :file_id
ORDER BY array_position(ARRAY['thumb', 'preview', 'webp', 'page', 'tile'], kind), page NULLS FIRST, width, name

-- get_rendition --
-- One of them, with the job's generation, while readers may see the file.
SELECT r.*, j.generation, j.id AS job_id FROM render.renditions AS r
JOIN render.jobs AS j ON j.file_id = r.file_id
JOIN public.files AS f ON f.file_id = r.file_id
WHERE r.file_id = :file_id AND r.name = :name
    AND f.status IN ('active', 'damaged') AND (f.expires_at IS NULL OR f.expires_at > now())

-- being_made --
-- Whether there will soon be more of a file than there is, while readers may see it.
SELECT EXISTS (
    SELECT FROM render.jobs AS j JOIN public.files AS f ON f.file_id = j.file_id
    WHERE j.file_id = :file_id AND j.state IN ('waiting', 'converting')
        AND f.status IN ('active', 'damaged') AND (f.expires_at IS NULL OR f.expires_at > now()))

-- is_open --
-- Whether such a way leads to this file now.
SELECT EXISTS (SELECT FROM render.views WHERE id = :id AND file_id = :file_id AND expires_at > now())

-- renew_view --
-- The way to a file's tiles for one account: the same one for as long as it is renewed in time.
INSERT INTO render.views (id, file_id, account, expires_at) VALUES (:id, :file_id, :account, :expires_at)
ON CONFLICT (file_id, account) DO UPDATE SET expires_at = excluded.expires_at,
    id = CASE WHEN views.expires_at > now() THEN views.id ELSE excluded.id END
RETURNING id

-- get_viewed --
-- The tiles that such a way leads to, while it is open and readers may see the file.
SELECT r.*, j.generation, j.id AS job_id FROM render.views AS v
JOIN render.renditions AS r ON r.file_id = v.file_id AND r.kind = 'tile'
JOIN render.jobs AS j ON j.file_id = v.file_id
JOIN public.files AS f ON f.file_id = v.file_id
WHERE v.id = :id AND v.file_id = :file_id AND v.expires_at > now()
    AND f.status IN ('active', 'damaged') AND (f.expires_at IS NULL OR f.expires_at > now())
ORDER BY r.page NULLS FIRST, r.name LIMIT 1

-- count_queue --
-- For the metrics: how many jobs wait, since when the first of them does, and how many have failed. By the index alone.
SELECT (SELECT count(*) FROM render.jobs WHERE state = 'waiting') AS waiting,
    (SELECT min(updated_at) FROM render.jobs WHERE state = 'waiting') AS oldest,
    (SELECT count(*) FROM render.jobs WHERE state = 'failed') AS dead
