"""Counts usage that was refused."""
