"""The sessions of a person: where from and since when, ending one or all others.

The key of a session is as good as a password, so pages name a session by a keyed hash of it.
"""

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import Session, User
from sensenova_billing.lib.client_address import client_address

ORIGIN = "origin"  # in a session's data: when, from where and by which browser the person signed in
MOST_LISTED = 100
_LONGEST_BROWSER = 200


@dataclass(frozen=True)
class ListedSession:
    """A session as a page lists it."""

    handle: str
    browser: str
    address: str | None
    signed_in_at: dt.datetime | None
    seen_at: dt.datetime
    is_here: bool


def note_origin(request: HttpRequest, *, now: dt.datetime) -> None:
    """Remember in the session that has just begun when, from where and by which browser it did."""
    browser = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))
    request.session[ORIGIN] = {
        "at": now.isoformat(),
        "browser": browser[:_LONGEST_BROWSER],
        "address": client_address(request.META) or None,
    }


def sessions_of(*, person: User, here: str | None, now: dt.datetime) -> list[ListedSession]:
    """Return the sessions in which the person is signed in, this one first, then the one seen last."""
    rows = Session.objects.filter(user=person, expire_date__gt=now).order_by("-seen_at")[:MOST_LISTED]
    listed = [
        ListedSession(
            handle=_handle(row.session_key),
            browser=row.browser,
            address=row.address,
            signed_in_at=row.signed_in_at,
            seen_at=row.seen_at,
            is_here=row.session_key == here,
        )
        for row in rows
    ]
    return sorted(listed, key=lambda one: not one.is_here)


def end_session(*, person: User, here: str | None, handle: str) -> int:
    """End the session of the person that a page named so, but not the one that is `here`; return how many."""
    keys = Session.objects.filter(user=person).exclude(session_key=here or "").values_list("pk", flat=True)
    named = [key for key in keys if constant_time_compare(_handle(key), handle)]
    return Session.objects.filter(pk__in=named).delete()[0]


def end_other_sessions(*, person: User, here: str | None) -> int:
    """End all sessions of the person but the one that is `here`, if any; return how many."""
    return Session.objects.filter(user=person).exclude(session_key=here or "").delete()[0]


def _handle(session_key: str) -> str:
    return salted_hmac("accounts.sessions", session_key, algorithm="sha256").hexdigest()[:32]
