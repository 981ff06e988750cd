"""What the virus scanner did, for the audit log and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from artstore_audit import Entry, Outcome
from artstore_auth.guard import current_principal
from artstore_kit.context import current_address, current_request_id
from prometheus_client import CollectorRegistry, Counter

from ingester_service.upload.scanning import Found, Scan

_UNAVAILABLE: Final = "unavailable"
_ACTIONS: Final = {Found.INFECTED: "file.infected", Found.TOO_LARGE: "file.not_scanned"}


class ScanJournal:
    """Hears of every scan. Its request is the one under way: that of the last bytes, or the one that asked again."""

    def __init__(self, report: Callable[[Entry], None], registry: CollectorRegistry) -> None:
        self._report = report
        self._scans = Counter("artstore_scans_total", "Files given to the virus scanner", ["result"], registry=registry)
        for result in (*Found, _UNAVAILABLE):
            self._scans.labels(str(result))

    def __call__(self, scan: Scan) -> None:
        self._scans.labels(_UNAVAILABLE if scan.verdict is None else str(scan.verdict.found)).inc()
        if scan.verdict is not None and scan.verdict.found in _ACTIONS:
            self._report(_entry(_ACTIONS[scan.verdict.found], scan, scan.verdict.signature))


def _entry(action: str, scan: Scan, signature: str) -> Entry:
    principal = current_principal()
    return Entry(
        actor=principal.subject if principal else "",
        action=action,
        outcome=Outcome.DONE if scan.admitted else Outcome.DENIED,
        address=current_address(),
        request_id=current_request_id(),
        details={"filename": scan.filename, "size": scan.size, "signature": signature},
    )
