"""`python -m storage_element <command>`: what is done with a data root beside serving it. A module each."""
