"""What people read: status, brief, queries, health; everything from the published warehouse or the lake."""
