"""Telling the audit log what a service did and refused (requirement I10)."""

from artstore_audit.denials import Denials
from artstore_audit.entry import Entry, Outcome
from artstore_audit.intake import AdminIntake
from artstore_audit.reporter import NotNow, Reporter, Undeliverable, reporting

__all__ = ["AdminIntake", "Denials", "Entry", "NotNow", "Outcome", "Reporter", "Undeliverable", "reporting"]
