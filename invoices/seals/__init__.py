"""Seals of closed hours, published where the owner of the database cannot rewrite them."""
