"""Mail about packages: each notice goes once to the owners and the finance people of its customer.

Those who read in one language get one mail together.

A notice is mailed after it was written and committed, one in a transaction, by whichever worker has locked
its row. One that was not sent is tried again: nothing is lost while the mail server is unavailable.
"""

import datetime as dt
from collections.abc import Iterator
from functools import partial

from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.utils.translation import gettext

from accounts.people.members import finance_readers
from accounts.sign_in.mail import in_each_language
from invoices.models import PackageNotice
from invoices.packages.after_sale.notices import notice_text, notices_at
from sensenova_billing.lib.mail import is_mail_sent, mail_next, send_in_turn, site_url

# Then it is no news any more, and after an outage the newest are what counts.
MAILED_WITHIN = dt.timedelta(days=3)


def mail_notices(*, now: dt.datetime) -> int:
    """Mail notices that wait, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


def _mail_next(*, now: dt.datetime) -> bool:
    return mail_next(_waiting(now), messages=_messages, about=str, now=now)


def _waiting(now: dt.datetime) -> QuerySet[PackageNotice]:
    readers = finance_readers().filter(customer=OuterRef("package__customer"))
    return notices_at(now).filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, created_at__gt=now - MAILED_WITHIN
    )


def _messages(notice: PackageNotice) -> Iterator[EmailMessage]:
    readers = finance_readers().filter(customer=notice.package.customer).order_by("user__email")
    return in_each_language(readers.values_list("user__email", flat=True), partial(_message, notice))


def _message(notice: PackageNotice, to: list[str]) -> EmailMessage:
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
