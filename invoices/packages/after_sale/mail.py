"""Mail about packages: each notice goes once to the owners and the finance people of its customer.

A notice is mailed after it was written and committed, one in a transaction, by whichever worker has locked
its row. One that was not sent is tried again: nothing is lost while the mail server is unavailable.
"""

import datetime as dt
import logging
from typing import TypeVar

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.utils.translation import gettext

from accounts.models import Customer, Member, MemberRole
from invoices.models import PackageNotice
from invoices.packages.after_sale.notices import notice_text, notices_at

logger = logging.getLogger(__name__)
NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
# Then it is no news any more, and after an outage the newest are what counts.
MAILED_WITHIN = dt.timedelta(days=3)
PAUSE = dt.timedelta(minutes=10)
# Of one sweep; the next is a minute later, and meanwhile the worker closes hours.
MOST_MAILS = 100

Row = TypeVar("Row", bound=Model)


def mail_notices(*, now: dt.datetime) -> int:
    """Mail notices that wait, each once, until one cannot be sent; return how many were sent."""
    sent = 0
    if settings.EMAIL_BACKEND != NO_MAIL:
        while sent < MOST_MAILS and _mail_next(now=now):
            sent += 1
    return sent


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    notice = locked(_waiting(now)).first()
    if notice is None:
        return False
    try:
        _message(notice).send()
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("No mail about %s: %s", notice, type(error).__name__)
        notice.mail_after = now + PAUSE
    else:
        notice.mailed_at = now
    notice.save(update_fields=["mail_after", "mailed_at"])
    return notice.mailed_at is not None


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Lock what is read until the transaction ends, and pass over what another worker has locked."""
    return rows.select_for_update(of=("self",), skip_locked=True)


def _waiting(now: dt.datetime) -> QuerySet[PackageNotice]:
    readers = _readers().filter(customer=OuterRef("package__customer"))
    return notices_at(now).filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, created_at__gt=now - MAILED_WITHIN
    )


def _readers() -> QuerySet[Member]:
    return Member.objects.filter(role__in=[MemberRole.OWNER, MemberRole.FINANCE], user__is_active=True)


def _message(notice: PackageNotice) -> EmailMessage:
    package = notice.package
    return EmailMessage(
        subject=gettext("Package %(number)s: %(notice)s")
        % {"number": package.number, "notice": gettext(notice.get_kind_display())},
        body=render_to_string(
            "package_notice.txt",
            {"text": notice_text(notice), "package": package, "site": settings.PUBLIC_URL.rstrip("/")},
        ),
        to=_addresses(package.customer),
    )


def _addresses(customer: Customer) -> list[str]:
    return list(
        _readers().filter(customer=customer).order_by("user__email").values_list("user__email", flat=True)
    )
