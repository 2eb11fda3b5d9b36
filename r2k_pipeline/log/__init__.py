"""The append-only log: fetch, screen, compare, record, accept."""
