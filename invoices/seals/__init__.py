"""Seals of closed hours, kept where the owner of the database cannot rewrite them."""
