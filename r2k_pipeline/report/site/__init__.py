"""The static site: overview, markets, claims, outcomes, data quality and dictionary as pages to open from disk."""
