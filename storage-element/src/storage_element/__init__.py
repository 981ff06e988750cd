"""Keeps the bytes, and beside each file the truth about it."""
