"""Making pictures of files, each in a process of its own that can do no harm."""
