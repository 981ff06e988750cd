"""The edge: JSON, pictures and events."""
