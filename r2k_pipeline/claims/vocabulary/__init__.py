"""Claims in one line: measures and relations, read, and judged in this process on what was known."""
