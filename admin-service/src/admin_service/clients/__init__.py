"""Calls to storage elements."""
