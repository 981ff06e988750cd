"""The edge: multipart bodies in, JSON out."""
