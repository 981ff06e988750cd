"""The edge: what arrives over HTTP, in and out of the meaning."""
