"""The edge: JSON and byte streams."""
