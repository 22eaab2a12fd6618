"""Keeps usage that cannot be stored as it is and that its sender cannot send again."""
