"""What each role may do in the admin, and the backend that lets Django ask for it.

Permissions are written as Django names them, with `*` for every model, new ones included. This is code, not
rows: a role means the same on every installation.
"""

from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.contrib.auth.backends import BaseBackend

from accounts.models import Role, User

_VIEWER = ("accounts.view_*", "pricing.view_*", "usage.view_*", "invoices.view_*")
ROLE_PERMISSIONS: dict[str, tuple[str, ...]] = {
    Role.VIEWER: _VIEWER,
    Role.PRICE_EDITOR: (*_VIEWER, "pricing.add_*", "pricing.change_*"),
    # Customers, people, keys, prices and their approval, releases, re-ratings, reversals. The page of
    # people (accounts/admin.py) lets superusers alone change roles and people who use the admin.
    Role.BILLING_ADMIN: ("accounts.*", "pricing.*", "usage.*", "invoices.*"),
}


class RoleBackend(BaseBackend):
    """Grants the permissions of a person's role, beside the person's own. It authenticates no sign-in."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether the role has this permission."""
        return obj is None and any(fnmatchcase(perm, pattern) for pattern in _role_permissions(user_obj))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether the role has any permission in this app."""
        return any(pattern.partition(".")[0] == app_label for pattern in _role_permissions(user_obj))

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return every permission that exists and that the role has."""
        return {name for name in _permissions() if self.has_perm(user_obj, name, obj)}


def _role_permissions(person: Any) -> tuple[str, ...]:
    if isinstance(person, User) and person.is_active and person.is_staff:
        return ROLE_PERMISSIONS.get(person.role, ())
    return ()


def _permissions() -> list[str]:
    return [
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(get_permission_codename(action, model._meta) for action in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    ]
