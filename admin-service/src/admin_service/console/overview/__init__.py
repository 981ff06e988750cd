"""What the first page shows: facts, alerts made of them, and news for as long as somebody looks."""
