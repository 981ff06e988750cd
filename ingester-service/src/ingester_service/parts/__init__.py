"""Signed parts: a client sends bytes straight to the element, in any order, by short-lived urls (requirement U3)."""
