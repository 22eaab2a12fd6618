"""Sessions in the database; settings.SESSION_ENGINE names this module."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError


class SessionStore(db.SessionStore):
    """Django's store, which tells a database that does not answer from a session that was deleted."""

    def save(self, must_create: bool = False) -> None:
        """Store the session; raise what the database raised if it does not answer."""
        try:
            super().save(must_create)
        except UpdateError as error:
            # Django takes any error for a deleted session, and would answer 400 during an outage.
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise
