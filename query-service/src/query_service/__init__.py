"""Finds files and gives them back."""

__version__ = "0.1.0"
