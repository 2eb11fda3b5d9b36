"""Every derived table: what it reads and how it is made."""
