"""Makes previews of files."""

__version__ = "0.1.0"
