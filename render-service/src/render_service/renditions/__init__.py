"""What was made of a file, and how viewers get it."""
