"""What the admin shows and nobody edits there."""

from typing import Any

from django.http import HttpRequest


class ReadOnlyAdmin:
    """Nobody adds, changes or deletes; the database refuses it as well."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
