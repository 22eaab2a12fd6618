"""Notices of call limits."""
