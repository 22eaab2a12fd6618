"""Mail that waits in rows: each is sent in a transaction of its own, by the worker that locked its row."""

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Model, QuerySet

NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
PAUSE = dt.timedelta(minutes=10)  # after a mail that was not sent
MOST_MAILS = 100  # of one sweep; the next comes soon, and meanwhile the worker has other tasks

logger = logging.getLogger(__name__)
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


@transaction.atomic(durable=True)
def mail_next(
    waiting: QuerySet[Any],
    *,
    messages: Callable[[Any], Iterable[EmailMessage]],
    about: Callable[[Any], object],
    now: dt.datetime,
) -> bool:
    """Send the mail of the first row that waits, and note when; return whether one was sent.

    Rows have `mail_after` and `mailed_at`. After a mail that was not sent its row waits for PAUSE; `about`
    names the row in the log.
    """
    row = locked(waiting).first()
    if row is None:
        return False
    if are_sent(messages(row), about=about(row)):
        row.mailed_at = now
    else:
        row.mail_after = now + PAUSE
    row.save(update_fields=["mail_after", "mailed_at"])
    return row.mailed_at is not None


def are_sent(messages: Iterable[EmailMessage], *, about: object) -> bool:
    """Send these together; return whether the mail server took them."""
    try:
        get_connection().send_messages(list(messages))
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("No mail about %s: %s", about, type(error).__name__)
        return False
    return True
