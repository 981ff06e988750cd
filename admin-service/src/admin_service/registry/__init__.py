"""Where every file is: the storage elements, and the registry that can always be rebuilt from them."""
