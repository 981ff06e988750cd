"""Who may do what: service accounts, their secrets and tokens, the keys that sign."""
