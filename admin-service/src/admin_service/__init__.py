"""Identity, the list of storage elements, the registry of files."""

__version__ = "0.1.0"
