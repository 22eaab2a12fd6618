"""Sessions in the database, each with its person; settings.SESSION_ENGINE names this module.

Django's own table does not name the person of a session. Here every session of a person is found, however it
began: the person is read from what is stored.
"""

import datetime as dt
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError

from accounts.models import Session
from accounts.sign_in.sessions import ORIGIN
from sensenova_billing.lib import clock

SEEN_EVERY = dt.timedelta(minutes=5)  # spares a write on every request


class SessionStore(db.SessionStore):
    """Django's store, with columns for the person; it tells an outage from a session that was deleted."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """The table."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row of a session, with what is read from its data."""
        row: Any = super().create_model_instance(data)
        origin = data.get(ORIGIN, {})
        row.user_id = data.get(SESSION_KEY)
        row.signed_in_at, row.browser, row.address = (
            origin.get("at"),
            origin.get("browser", ""),
            origin.get("address"),
        )
        row.seen_at = clock.now()
        found: Session = row
        return found

    def load(self) -> dict[str, Any]:
        """Read the session, and note that it was seen."""
        row: Any = self._get_session_from_db()  # type: ignore[attr-defined]
        if row is None:
            return {}
        now = clock.now()
        if now - row.seen_at >= SEEN_EVERY:
            Session.objects.filter(pk=row.pk).update(seen_at=now)
        found: dict[str, Any] = self.decode(row.session_data)
        return found

    def save(self, must_create: bool = False) -> None:
        """Store the session; raise what the database raised if it does not answer."""
        try:
            super().save(must_create)
        except UpdateError as error:
            # Django takes any error for a deleted session, and would answer 400 during an outage.
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise
