"""Other services, as this one calls them."""
