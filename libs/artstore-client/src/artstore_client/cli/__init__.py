"""The `artstore` command: data on stdout, words on stderr, exit codes 0 (done), 1 (something failed), 2 (wrong usage)."""
