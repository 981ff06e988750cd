"""Who did what, when, from where: kept for good, added to and never changed (requirement I10)."""
