"""Mail about packages: each notice goes once to the owners and the finance people of its customer.

Those who read in one language get one mail together.

A notice is mailed after it was written and committed, one in a transaction, by whichever worker has locked
its row. One that was not sent is tried again: nothing is lost while the mail server is unavailable.
"""

import datetime as dt
import logging
from collections.abc import Iterator

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import FINANCE_ROLES, Member
from accounts.sign_in.mail import by_language
from invoices.models import PackageNotice
from invoices.packages.after_sale.notices import notice_text, notices_at
from sensenova_billing.lib.mail import is_mail_sent, locked, send_in_turn, site_url

logger = logging.getLogger(__name__)
# Then it is no news any more, and after an outage the newest are what counts.
MAILED_WITHIN = dt.timedelta(days=3)
PAUSE = dt.timedelta(minutes=10)


def mail_notices(*, now: dt.datetime) -> int:
    """Mail notices that wait, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    notice = locked(_waiting(now)).first()
    if notice is None:
        return False
    try:
        get_connection().send_messages(list(_messages(notice)))
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("No mail about %s: %s", notice, type(error).__name__)
        notice.mail_after = now + PAUSE
    else:
        notice.mailed_at = now
    notice.save(update_fields=["mail_after", "mailed_at"])
    return notice.mailed_at is not None


def _waiting(now: dt.datetime) -> QuerySet[PackageNotice]:
    readers = _readers().filter(customer=OuterRef("package__customer"))
    return notices_at(now).filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, created_at__gt=now - MAILED_WITHIN
    )


def _readers() -> QuerySet[Member]:
    return Member.objects.filter(role__in=FINANCE_ROLES, user__is_active=True)


def _messages(notice: PackageNotice) -> Iterator[EmailMessage]:
    readers = _readers().filter(customer=notice.package.customer).order_by("user__email")
    for language, addresses in by_language(readers.values_list("user__email", flat=True)).items():
        with translation.override(language):
            yield _message(notice, to=addresses)


def _message(notice: PackageNotice, *, to: list[str]) -> EmailMessage:
    package = notice.package
    return EmailMessage(
        subject=gettext("Package %(number)s: %(notice)s")
        % {"number": package.number, "notice": gettext(notice.get_kind_display())},
        body=render_to_string(
            "package_notice.txt",
            {"text": notice_text(notice), "package": package, "site": site_url("")},
        ),
        to=to,
    )
