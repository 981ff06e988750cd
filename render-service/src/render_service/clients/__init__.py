"""Storage elements, and S3."""
