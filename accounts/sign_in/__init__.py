"""Limits of wrong passwords."""
