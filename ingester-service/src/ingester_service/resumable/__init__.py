"""Uploads that may be broken off and gone on with, by any replica: all that is to be known lies on the element."""
