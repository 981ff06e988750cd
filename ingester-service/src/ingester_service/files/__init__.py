"""Changing and deleting files that are there: on their element first, in the registry then."""
