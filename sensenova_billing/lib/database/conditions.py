"""Conditions of constraints that several apps use."""

from django.db.models.functions import Extract, Mod
from django.db.models.lookups import Exact


def whole_hour(column: str) -> Exact:
    """The condition that this column holds the beginning of an hour."""
    return Exact(Mod(Extract(column, "epoch"), 3600), 0)
