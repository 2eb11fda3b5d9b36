"""r2k: point-in-time positioning against technicals of US equity indices."""
