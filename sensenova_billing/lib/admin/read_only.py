"""Rows that the admin shows and never edits."""

from typing import Any

from django.http import HttpRequest


class ReadOnlyAdmin:
    """Mixin of a ModelAdmin that refuses to add, change and delete, as the database does."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
