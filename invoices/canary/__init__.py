"""Canary customers: calls of our own, through the real API, whose bills are compared with a plain sum."""
