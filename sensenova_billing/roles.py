"""What each role may do in the admin, and the backend that lets Django ask for it.

A right is written as Django names permissions, with `*` for every model: a new model is seen by whoever sees
its app. No rows keep this: what a role means is the same on every installation, and changes with the code.
"""

from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.contrib.auth.backends import BaseBackend

from accounts.models import Role, User

_VIEWER = ("accounts.view_*", "pricing.view_*", "usage.view_*", "invoices.view_*")
RIGHTS: dict[str, tuple[str, ...]] = {
    Role.VIEWER: _VIEWER,
    Role.PRICE_EDITOR: (*_VIEWER, "pricing.add_*", "pricing.change_*"),
    # Customers, people, keys, prices and their approval, releases, re-ratings, reversals. That nobody but a
    # superuser changes roles, or people who use the admin, is said by the page of people (accounts/admin.py).
    Role.BILLING_ADMIN: ("accounts.*", "pricing.*", "usage.*", "invoices.*"),
}


class RoleBackend(BaseBackend):
    """Grants what a person's role may do, beside what the person is permitted otherwise. Signs nobody in."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether the role has this right."""
        return obj is None and any(fnmatchcase(perm, right) for right in _rights_of(user_obj))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether the role has any right in this app."""
        return any(right.partition(".")[0] == app_label for right in _rights_of(user_obj))

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return every permission that exists and that the role has."""
        return {name for name in _permissions() if self.has_perm(user_obj, name, obj)}


def _rights_of(person: Any) -> tuple[str, ...]:
    if isinstance(person, User) and person.is_active and person.is_staff:
        return RIGHTS.get(person.role, ())
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
