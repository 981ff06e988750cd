"""Verifying access tokens, and getting one's own."""
