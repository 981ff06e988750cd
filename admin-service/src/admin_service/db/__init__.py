"""PostgreSQL: the tables that admin owns, one file of statements for each noun."""
