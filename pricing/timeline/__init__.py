"""Prices over time, for the admin's pages."""
