"""Drills: what an operator does in an emergency or with a new release, done and checked by one command."""
