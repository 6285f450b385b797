"""The database: tables, sessions and migrations. SQL is the truth, and only the backend writes it."""
