"""Figures of the signing keys, for Prometheus: from memory alone, as they were read last."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Gauge

from admin_service.identity.keys import KeyRing


def watch_keys(ring: KeyRing, registry: CollectorRegistry) -> None:
    """`artstore_admin_signing_key_age_seconds` grows past the schedule when no key follows; NaN: none signs."""
    age = Gauge("artstore_admin_signing_key_age_seconds", "For how long the active key has signed", registry=registry)
    age.set_function(lambda: found.total_seconds() if (found := ring.active_age()) is not None else math.nan)
    published = Gauge("artstore_admin_signing_keys_published", "Keys in the JWKS", registry=registry)
    published.set_function(ring.published)
