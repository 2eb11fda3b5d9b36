"""Claims of notes: read, boxed in, judged on what was known at their moment."""
