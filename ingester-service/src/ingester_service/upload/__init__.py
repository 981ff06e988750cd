"""Taking one file in: what it is, where it goes, and telling admin of it."""
