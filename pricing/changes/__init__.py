"""Changes to prices and limits: planned, approved, applied, undone."""
