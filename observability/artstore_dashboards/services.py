"""One service, or several: requests, what they call, the database, the processes."""

from __future__ import annotations

from artstore_dashboards.model import Dashboard, Kind, Panel, Query, Row, Variable
from artstore_dashboards.words import HERE, NAMESPACE, quantile, rate

_JOB = Variable("job", "Service", "label_values(artstore_http_requests_total, job)")
_OURS = f'{HERE}, job=~"$job"'
_SERVED = f'{_OURS}, route!~"/health/.*|/metrics"'
_DURATION = "artstore_http_request_duration_seconds"
_CALLS = "artstore_outgoing_request_duration_seconds"


def services() -> Dashboard:
    rows = [_requests(), _calls(), _database(), _processes()]
    return Dashboard("artstore-services", "ArtStore / Services", rows, [NAMESPACE, _JOB])


def _requests() -> Row:
    return Row(
        "Requests",
        [
            Panel(
                "By route",
                [Query(rate("artstore_http_requests_total", "method, route", _SERVED), "{{method}} {{route}}")],
                "reqps",
            ),
            Panel(
                "By status",
                [Query(rate("artstore_http_requests_total", "status", _SERVED), "{{status}}")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "How long they take",
                [
                    Query(quantile(0.5, _DURATION, "job", _SERVED), "{{job}} half"),
                    Query(quantile(0.95, _DURATION, "job", _SERVED), "{{job}} 19 of 20", exemplars=True),
                    Query(quantile(0.99, _DURATION, "job", _SERVED), "{{job}} 99 of 100", exemplars=True),
                ],
                "s",
                tells="A dot is a request with a trace.",
            ),
        ],
    )


def _calls() -> Row:
    return Row(
        "What they need",
        [
            Panel(
                "Well, as readiness found it",
                [Query(f"min by (job, dependency) (artstore_dependency_up{{{_OURS}}})", "{{job}} {{dependency}}")],
                kind=Kind.STATES,
                red_below=1,
            ),
            Panel(
                "Looking took",
                [
                    Query(
                        f"max by (job, dependency) (artstore_dependency_probe_seconds{{{_OURS}}})",
                        "{{job}} {{dependency}}",
                    )
                ],
                "s",
                tells="At two seconds it is given up.",
            ),
            Panel(
                "Calls that failed",
                [
                    Query(
                        rate(f"{_CALLS}_count", "job, dependency", f'{_OURS}, outcome="failed"'),
                        "{{job}} {{dependency}}",
                    )
                ],
                "reqps",
                tells="5xx or no answer.",
            ),
            Panel(
                "Calls",
                [Query(rate(f"{_CALLS}_count", "dependency, outcome", _OURS), "{{dependency}} {{outcome}}")],
                "reqps",
            ),
            Panel(
                "How long calls take (19 of 20)",
                [Query(quantile(0.95, _CALLS, "job, dependency", _OURS), "{{job}} {{dependency}}")],
                "s",
            ),
            Panel(
                "Audit entries waiting", [Query(f"sum by (job) (artstore_audit_entries_waiting{{{_OURS}}})", "{{job}}")]
            ),
        ],
    )


def _database() -> Row:
    return Row(
        "Database",
        [
            Panel(
                "Connections",
                [
                    Query(
                        f"sum by (job, database, state) (artstore_database_pool_connections{{{_OURS}}})",
                        "{{job}} {{database}} {{state}}",
                    )
                ],
                width=12,
            ),
            Panel(
                "Waiting for one (19 of 20)",
                [
                    Query(
                        quantile(0.95, "artstore_database_wait_seconds", "job, database", _OURS), "{{job}} {{database}}"
                    )
                ],
                "s",
                width=12,
                tells="At two seconds it is given up, and the request answers 503.",
            ),
        ],
    )


def _processes() -> Row:
    return Row(
        "Processes",
        [
            Panel("Memory", [Query(f"process_resident_memory_bytes{{{_OURS}}}", "{{job}} {{instance}}")], "bytes"),
            Panel(
                "Processor",
                [Query(rate("process_cpu_seconds_total", "job, instance", _OURS), "{{job}} {{instance}}")],
                "percentunit",
            ),
            Panel(
                "Open files of those allowed",
                [Query(f"process_open_fds{{{_OURS}}} / process_max_fds{{{_OURS}}}", "{{job}} {{instance}}")],
                "percentunit",
            ),
            Panel(
                "Running since",
                [Query(f"time() - process_start_time_seconds{{{_OURS}}}", "{{job}} {{instance}}")],
                "s",
                width=24,
                height=5,
            ),
        ],
    )
