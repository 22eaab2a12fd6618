"""Prices usage in SQL."""
