"""One file: what is known of it, and its bytes."""
