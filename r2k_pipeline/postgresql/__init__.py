"""Publishing to PostgreSQL: marts and meta of one warehouse, replaced in one transaction."""
