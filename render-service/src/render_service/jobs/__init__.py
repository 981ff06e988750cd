"""What is to be converted, by whom, and how it went."""
