"""Takes files in and streams them to a storage element."""

__version__ = "0.1.0"
