"""Fixtures on real parts for ArtStore's tests."""
