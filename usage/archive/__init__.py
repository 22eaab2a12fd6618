"""Archives of usage records: their files, and the identities of their events."""
