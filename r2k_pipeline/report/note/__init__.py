"""The readable note on one market: rules (rules.toml) over what the note_* macros of the warehouse say of a close."""
