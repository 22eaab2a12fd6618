"""Verifies closed hours against the raw records; shares no code with closing."""
