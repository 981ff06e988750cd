"""The element's edge: routes and their forms."""
