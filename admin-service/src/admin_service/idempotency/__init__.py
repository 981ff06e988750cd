"""Which upload a client's Idempotency-Key stands for (requirement G7)."""
