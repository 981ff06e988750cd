"""A judged set of searches: a corpus, queries in two languages, and how good an order of answers is."""
