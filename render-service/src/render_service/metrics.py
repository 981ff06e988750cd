"""What render-service counts, beside what every service does."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class RenderMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter("artstore_render_jobs_total", "Jobs that came to an end", ["state"], registry=registry)
        self.retries = Counter("artstore_render_retries_total", "Tries that failed and come again", registry=registry)
        self.taken_over = Counter(
            "artstore_render_lost_runs_total", "Runs that lost their job to another worker", registry=registry
        )
        self.running = Gauge("artstore_render_conversions", "Conversions under way", registry=registry)
        self.made_again = Counter(
            "artstore_render_lost_renditions_total", "Renditions that the store had lost", registry=registry
        )
        self.followers = Gauge("artstore_render_event_streams", "Viewers who follow a conversion", registry=registry)
