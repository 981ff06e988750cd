"""Uploads, downloads and previews: what is done, and what waits."""

from __future__ import annotations

from artstore_dashboards.model import Dashboard, Panel, Query, Row
from artstore_dashboards.words import HERE, NAMESPACE, quantile, rate


def work() -> Dashboard:
    rows = [_uploads(), _downloads(), _previews(), _accounts()]
    return Dashboard("artstore-work", "ArtStore / Uploads, downloads, previews", rows, [NAMESPACE])


def _uploads() -> Row:
    return Row(
        "Uploads",
        [
            Panel(
                "Requests that bring bytes",
                [
                    Query(f"artstore:uploads:rate5m{{{HERE}}}", "all"),
                    Query(f"artstore:uploads_failed:rate5m{{{HERE}}}", "failed"),
                ],
                "reqps",
            ),
            Panel(
                "Waiting to be registered",
                [Query(f"sum by (instance) (artstore_registrations_waiting{{{HERE}}})", "{{instance}}")],
            ),
            Panel("Scanned for viruses", [Query(rate("artstore_scans_total", "result"), "{{result}}")], "cps"),
        ],
    )


def _downloads() -> Row:
    hits, misses = rate("artstore_query_cache_hits_total", "job"), rate("artstore_query_cache_misses_total", "job")
    return Row(
        "Downloads and search",
        [
            Panel(
                "Downloads",
                [
                    Query(f"artstore:downloads:rate5m{{{HERE}}}", "all"),
                    Query(f"artstore:downloads_failed:rate5m{{{HERE}}}", "failed"),
                ],
                "reqps",
            ),
            Panel(
                "Elements that broke off",
                [
                    Query(rate("artstore_query_element_retries_total", "job"), "asked once more"),
                    Query(rate("artstore_query_download_resumes_total", "job"), "gone on with"),
                    Query(rate("artstore_query_downloads_broken_total", "job"), "broken for good"),
                    Query(rate("artstore_query_marked_deleted_total", "job"), "found gone"),
                ],
                "cps",
            ),
            Panel(
                "Refused by a limit (429)", [Query(rate("artstore_query_limited_total", "limit"), "{{limit}}")], "reqps"
            ),
            Panel("Files known without asking", [Query(f"{hits} / ({hits} + {misses})", "share")], "percentunit"),
            Panel(
                "Bytes of small files from memory; redirects",
                [
                    Query(rate("artstore_query_content_hits_total", "job"), "from memory"),
                    Query(rate("artstore_query_redirects_total", "job"), "redirects"),
                    Query(rate("artstore_query_cache_invalidations_total", "job"), "made out of date"),
                ],
                "cps",
            ),
            Panel(
                "Memory for it",
                [
                    Query(f"artstore_query_cache_bytes{{{HERE}}}", "{{instance}} files known"),
                    Query(f"artstore_query_content_bytes{{{HERE}}}", "{{instance}} bytes"),
                ],
                "bytes",
            ),
            Panel(
                "Searches",
                [
                    Query(f"artstore:searches:rate5m{{{HERE}}}", "all"),
                    Query(f"artstore:searches_slow:rate5m{{{HERE}}}", "over 0.3 s"),
                ],
                "reqps",
                width=12,
            ),
            Panel("Files in memory", [Query(f"artstore_query_cache_entries{{{HERE}}}", "{{instance}}")], width=12),
        ],
    )


def _previews() -> Row:
    return Row(
        "Previews",
        [
            Panel("Jobs waiting", [Query(f"max(artstore_render_jobs_waiting{{{HERE}}})", "jobs")]),
            Panel(
                "The oldest has waited",
                [Query(f"max(artstore_render_oldest_waiting_seconds{{{HERE}}})", "oldest")],
                "s",
            ),
            Panel("Given up (dead letters)", [Query(f"max(artstore_render_dead_letters{{{HERE}}})", "jobs")]),
            Panel("Jobs that ended", [Query(rate("artstore_render_jobs_total", "state"), "{{state}}")], "cps"),
            Panel(
                "Conversions under way",
                [Query(f"sum by (instance) (artstore_render_conversions{{{HERE}}})", "{{instance}}")],
            ),
            Panel(
                "Once more",
                [
                    Query(rate("artstore_render_retries_total", "job"), "tries that failed"),
                    Query(rate("artstore_render_lost_runs_total", "job"), "taken over by another worker"),
                    Query(rate("artstore_render_lost_renditions_total", "job"), "renditions that were lost"),
                ],
                "cps",
            ),
            Panel(
                "Viewers who follow a conversion",
                [Query(f"sum(artstore_render_event_streams{{{HERE}}})", "viewers")],
                width=12,
            ),
            Panel(
                "Calls to the store of renditions (19 of 20)",
                [
                    Query(
                        quantile(0.95, "artstore_outgoing_request_duration_seconds", "job", f'{HERE}, dependency="s3"'),
                        "{{job}}",
                    )
                ],
                "s",
                width=12,
            ),
        ],
    )


def _accounts() -> Row:
    return Row(
        "Accounts and audit",
        [
            Panel(
                "Secrets",
                [
                    Query(f"max(artstore_service_accounts_secrets_expiring{{{HERE}}})", "expire within 14 days"),
                    Query(f"max(artstore_service_accounts_secrets_expired{{{HERE}}})", "expired"),
                ],
            ),
            Panel(
                "Age of the signing key", [Query(f"min(artstore_admin_signing_key_age_seconds{{{HERE}}})", "age")], "s"
            ),
            Panel("Keys that verify", [Query(f"max(artstore_admin_signing_keys_published{{{HERE}}})", "keys")]),
            Panel("Audit entries kept", [Query(rate("artstore_audit_entries_sent_total", "job"), "{{job}}")], "cps"),
            Panel(
                "Audit entries lost, an hour",
                [
                    Query(
                        f"sum by (job, reason) (increase(artstore_audit_entries_dropped_total{{{HERE}}}[1h]))",
                        "{{job}} {{reason}}",
                    )
                ],
            ),
            Panel(
                "Events thrown away for their age, an hour",
                [Query(f"sum(increase(artstore_outbox_trimmed_total{{{HERE}}}[1h]))", "events")],
            ),
        ],
    )
