"""A person's password: whether it is right, and a new one."""

from django.contrib.auth import authenticate
from django.http import HttpRequest

from accounts.audit.context import audit_context
from accounts.models import User
from accounts.sign_in.sessions import end_other_sessions


def is_right_password(request: HttpRequest, *, person: User, password: str) -> bool:
    """Whether this is the person's password; wrong ones count as at sign-in, and lock as there."""
    found = authenticate(request, username=person.email, password=password)
    return found is not None and found.pk == person.pk


def set_password(*, person: User, password: str, by: str, reason: str = "", here: str | None = None) -> None:
    """Give a person a new password, and end all sessions but the one that is `here`.

    Django's check of sessions would find that they began with another password; they are not listed either.
    """
    with audit_context(by=by, reason=reason):
        person.set_password(password)
        person.save(update_fields=["password"])
        end_other_sessions(person=person, here=here)
