"""Renditions in a directory."""
