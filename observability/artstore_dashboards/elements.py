"""The storage elements: as admin sees them, and what they say of themselves."""

from __future__ import annotations

from artstore_dashboards.model import Dashboard, Kind, Panel, Query, Row
from artstore_dashboards.words import HERE, NAMESPACE, quantile, rate


def elements() -> Dashboard:
    rows = [_seen_by_admin(), _following(), _disks(), _log(), _upkeep()]
    return Dashboard("artstore-elements", "ArtStore / Storage elements", rows, [NAMESPACE])


def _of_admin(name: str) -> str:
    return f"max by (storage_id) (artstore_admin_element_{name}{{{HERE}}})"


def _of_element(name: str, legend: str = "{{instance}}", where: str = HERE) -> Query:
    return Query(f"artstore_element_{name}{{{where}}}", legend)


def _seen_by_admin() -> Row:
    return Row(
        "As admin sees them",
        [
            Panel("Online", [Query(_of_admin("online"), "{{storage_id}}")], kind=Kind.STATES, red_below=1),
            Panel(
                "Room left",
                [Query(f"{_of_admin('available_bytes')} / {_of_admin('capacity_bytes')}", "{{storage_id}}")],
                "percentunit",
            ),
            Panel("Filled", [Query(_of_admin("used_bytes"), "{{storage_id}}")], "bytes", stacked=True),
            Panel(
                "Takes files",
                [Query(_of_admin("writable"), "{{storage_id}}")],
                kind=Kind.STATES,
                width=12,
                tells="By its mode: ro and ar take none.",
            ),
            Panel(
                "Last answered",
                [Query(f"time() - {_of_admin('last_seen_timestamp_seconds')}", "{{storage_id}}")],
                "s",
                width=12,
            ),
        ],
    )


def _following() -> Row:
    followed = f"max by (storage_id) (artstore_sync_last_success_timestamp_seconds{{{HERE}}})"
    return Row(
        "How the registry follows them",
        [
            Panel("Last had all of it", [Query(f"time() - {followed}", "{{storage_id}}")], "s"),
            Panel(
                "Syncs, an hour",
                [
                    Query(
                        f"sum by (storage_id, status) (increase(artstore_syncs_total{{{HERE}}}[1h]))",
                        "{{storage_id}} {{status}}",
                    )
                ],
            ),
            Panel(
                "Took (19 of 20)", [Query(quantile(0.95, "artstore_sync_duration_seconds", "kind"), "{{kind}}")], "s"
            ),
            Panel("Under way", [Query(f"sum(artstore_syncs_running{{{HERE}}})", "syncs")]),
            Panel(
                "Files",
                [Query(rate("artstore_sync_files_total", "storage_id, what"), "{{storage_id}} {{what}}")],
                "cps",
            ),
            Panel(
                "Found here and registered elsewhere, an hour",
                [
                    Query(
                        f"sum by (storage_id) (increase(artstore_sync_conflicts_total{{{HERE}}}[1h]))", "{{storage_id}}"
                    )
                ],
            ),
        ],
    )


def _disks() -> Row:
    server = 'certificate="server"'
    return Row(
        "Their disks",
        [
            Panel(
                "Open, and taking changes",
                [_of_element("up", "{{instance}} open"), _of_element("writable", "{{instance}} takes changes")],
                kind=Kind.STATES,
                red_below=1,
            ),
            Panel(
                "Room left",
                [
                    Query(
                        f"artstore_element_available_bytes{{{HERE}}} / artstore_element_capacity_bytes{{{HERE}}}",
                        "{{instance}}",
                    )
                ],
                "percentunit",
            ),
            Panel(
                "What fills them",
                [
                    _of_element("used_bytes", "{{instance}} all"),
                    _of_element("staged_bytes", "{{instance}} unfinished uploads"),
                    _of_element("quarantine_bytes", "{{instance}} quarantine"),
                    _of_element("ballast_bytes", "{{instance}} ballast"),
                ],
                "bytes",
            ),
            Panel("Files", [_of_element("files", "{{instance}} {{status}}")]),
            Panel("Mode", [Query(f"artstore_element_mode{{{HERE}}} == 1", "{{instance}} {{mode}}")], kind=Kind.STATES),
            Panel(
                "Certificate good for",
                [
                    Query(
                        f"artstore_certificate_not_after_timestamp_seconds{{{HERE}, {server}}} - time()", "{{instance}}"
                    )
                ],
                "s",
            ),
        ],
    )


def _log() -> Row:
    flush = "artstore_element_log_flush_seconds"
    return Row(
        "Changes",
        [
            Panel(
                "A flush takes",
                [
                    Query(quantile(0.5, flush, "instance"), "{{instance}} half"),
                    Query(quantile(0.99, flush, "instance"), "{{instance}} 99 of 100"),
                ],
                "s",
                tells="Every change waits for one.",
            ),
            Panel(
                "Changes that share a flush (half)",
                [Query(quantile(0.5, "artstore_element_group_changes", "instance"), "{{instance}}")],
            ),
            Panel(
                "Flushes that failed",
                [Query(rate("artstore_element_commits_failed_total", "instance"), "{{instance}}")],
                "cps",
            ),
            Panel(
                "Write-ahead log",
                [_of_element("log_bytes"), _of_element("log_segments", "{{instance}} files")],
                "bytes",
            ),
            Panel("Promised, not in their places yet", [_of_element("pending_changes")]),
            Panel(
                "Last checkpoint",
                [Query(f"time() - (artstore_element_last_checkpoint_timestamp_seconds{{{HERE}}} > 0)", "{{instance}}")],
                "s",
                tells="There is none while nothing changes.",
            ),
        ],
    )


def _upkeep() -> Row:
    return Row(
        "Upkeep",
        [
            Panel(
                "Findings, an hour",
                [
                    Query(
                        f"sum by (instance, found_by, kind) (increase(artstore_element_findings_total{{{HERE}}}[1h]))",
                        "{{instance}} {{found_by}} {{kind}}",
                    )
                ],
            ),
            Panel("Scrubbing", [Query(rate("artstore_element_scrub_bytes_total", "instance"), "{{instance}}")], "Bps"),
            Panel("Scrubbing, how far", [_of_element("scrub_progress_ratio")], "percentunit"),
            Panel(
                "Files gone for good",
                [Query(rate("artstore_element_gc_purged_total", "instance"), "{{instance}}")],
                "cps",
                width=12,
            ),
            Panel(
                "The clock is doubtful",
                [
                    _of_element("clock_doubtful"),
                    Query(
                        f"increase(artstore_element_gc_refused_total{{{HERE}}}[1h])",
                        "{{instance}} collections not run, an hour",
                    ),
                ],
                width=12,
            ),
        ],
    )
