"""Closes hours into bills, and seals them."""
