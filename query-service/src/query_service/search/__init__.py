"""Finding files: what is asked, what is answered, and how a page is continued."""
