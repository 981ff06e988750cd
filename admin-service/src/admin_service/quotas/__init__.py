"""How much an account may hold: reserved before an upload, settled when the file is registered (requirement I12)."""
