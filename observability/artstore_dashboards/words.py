"""PromQL that several boards need."""

from __future__ import annotations

from typing import Final

from artstore_dashboards.model import Variable

NAMESPACE: Final = Variable("namespace", "Namespace", "label_values(up, namespace)")
"""Empty where nothing runs on Kubernetes, and then everything is meant."""
HERE: Final = 'namespace=~"$namespace"'
SERVED: Final = f'{HERE}, route!~"/health/.*|/metrics"'
"""Requests of others than Prometheus and the kubelet."""


def rate(counter: str, by: str, where: str = HERE) -> str:
    """A second, added up by the labels."""
    return f"sum by ({by}) (rate({counter}{{{where}}}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str, where: str = HERE) -> str:
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({histogram}_bucket{{{where}}}[$__rate_interval])))"
