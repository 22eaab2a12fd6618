"""Mail that waits in rows: each is sent in a transaction of its own, by the worker that locked its row."""

import datetime as dt
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
MOST_MAILS = 100  # of one sweep; the next comes soon, and meanwhile the worker has other tasks

Row = TypeVar("Row", bound=Model)


def is_mail_sent() -> bool:
    """Whether this installation has a mail server."""
    return bool(settings.EMAIL_BACKEND != NO_MAIL)


def site_url(path: str) -> str:
    """Return the address of a page as mail names it."""
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Lock what is read until the transaction ends, and pass over what another worker has locked."""
    return rows.select_for_update(of=("self",), skip_locked=True)


def send_in_turn(send_next: Callable[..., bool], *, now: dt.datetime) -> int:
    """Call `send_next` until nothing waits or something cannot be sent; return how often it sent."""
    sent = 0
    while sent < MOST_MAILS and send_next(now=now):
        sent += 1
    return sent
