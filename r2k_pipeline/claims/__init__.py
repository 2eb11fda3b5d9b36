"""Claims of notes: read, run in a sandbox, judged on what was known at their moment."""
