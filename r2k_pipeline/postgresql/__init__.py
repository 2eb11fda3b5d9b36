"""PostgreSQL as a place to publish to: marts and meta of one warehouse, replaced in one transaction."""
