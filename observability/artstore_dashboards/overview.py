"""Is all well? The first board to look at."""

from __future__ import annotations

from artstore_dashboards.model import Dashboard, Kind, Panel, Query, Row
from artstore_dashboards.words import HERE, NAMESPACE, SERVED, quantile, rate

_DURATION = "artstore_http_request_duration_seconds"


def overview() -> Dashboard:
    return Dashboard("artstore-overview", "ArtStore / Overview", [_aims(), _traffic(), _rest()], [NAMESPACE])


def _aims() -> Row:
    return Row(
        "What is promised",
        [
            _number("Uploads failing, 1 h", f"artstore:uploads_failed:ratio_rate1h{{{HERE}}}", "percentunit", 0.001),
            _number(
                "Downloads failing, 1 h", f"artstore:downloads_failed:ratio_rate1h{{{HERE}}}", "percentunit", 0.001
            ),
            _number("Searches over 0.3 s, 1 h", f"artstore:searches_slow:ratio_rate1h{{{HERE}}}", "percentunit", 0.05),
            _number(
                "Alerts firing",
                f'count(ALERTS{{alertname=~"ArtStore.*", alertstate="firing", {HERE}}}) or vector(0)',
                "short",
                1,
            ),
            _number(
                "Elements offline",
                f"count(max by (storage_id) (artstore_admin_element_online{{{HERE}}}) == 0) or vector(0)",
                "short",
                1,
            ),
            _number("Files waiting for registration", f"sum(artstore_registrations_waiting{{{HERE}}})", "short", 1),
            Panel(
                "Alerts",
                [Query(f'ALERTS{{alertname=~"ArtStore.*", alertstate="firing", {HERE}}}')],
                kind=Kind.TABLE,
                width=24,
                height=6,
                tells="Each has a page of the same name in the runbooks.",
            ),
        ],
    )


def _number(title: str, expr: str, unit: str, red_from: float) -> Panel:
    return Panel(title, [Query(expr)], unit, Kind.NUMBER, width=4, height=4, red_from=red_from)


def _traffic() -> Row:
    search = f'{HERE}, job="artstore-query", route="/api/v1/search"'
    return Row(
        "Traffic",
        [
            Panel(
                "Requests",
                [Query(rate("artstore_http_requests_total", "job", SERVED), "{{job}}")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Answers with 5xx",
                [
                    Query(
                        rate("artstore_http_requests_total", "job, status", f'{SERVED}, status=~"5.."'),
                        "{{job}} {{status}}",
                    )
                ],
                "reqps",
            ),
            Panel(
                "Share of the allowance used up (burn rate)",
                [
                    Query(f"artstore:uploads_failed:ratio_rate1h{{{HERE}}} / 0.001", "uploads"),
                    Query(f"artstore:downloads_failed:ratio_rate1h{{{HERE}}} / 0.001", "downloads"),
                    Query(f"artstore:searches_slow:ratio_rate1h{{{HERE}}} / 0.05", "searches"),
                ],
                tells="1: just what the aim allows. 14.4 for an hour wakes somebody.",
            ),
            Panel(
                "Search",
                [
                    Query(quantile(0.5, _DURATION, "route", search), "half", exemplars=True),
                    Query(quantile(0.95, _DURATION, "route", search), "19 of 20", exemplars=True),
                ],
                "s",
                tells="The aim is 0.3 s for 19 of 20. A dot is a request with a trace.",
            ),
            Panel(
                "Slowest routes (19 of 20 are faster)",
                [
                    Query(
                        f"topk(8, {quantile(0.95, _DURATION, 'job, route', SERVED)})",
                        "{{job}} {{route}}",
                        exemplars=True,
                    )
                ],
                "s",
                tells="Uploads and downloads take as long as the client's line.",
            ),
            Panel("In flight", [Query(f"sum by (job) (artstore_http_requests_in_flight{{{HERE}}})", "{{job}}")]),
        ],
    )


def _rest() -> Row:
    room = "max by (storage_id) (artstore_admin_element_{}_bytes{{{}}})"
    return Row(
        "Behind it",
        [
            Panel(
                "Dependencies",
                [Query(f"min by (job, dependency) (artstore_dependency_up{{{HERE}}})", "{{job}} {{dependency}}")],
                kind=Kind.STATES,
                width=12,
                height=9,
                red_below=1,
                tells="Red: readiness found it not well.",
            ),
            Panel(
                "Room left on the elements",
                [Query(f"{room.format('available', HERE)} / {room.format('capacity', HERE)}", "{{storage_id}}")],
                "percentunit",
                width=6,
                height=9,
            ),
            Panel(
                "Versions",
                [Query(f"count by (service, version) (artstore_build_info{{{HERE}}})")],
                kind=Kind.TABLE,
                width=6,
                height=9,
            ),
        ],
    )
