"""Alarms, and the admin's first page."""
