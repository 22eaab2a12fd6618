"""Mail of notices: each goes once to the owners and finance people of its customer, in their languages."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string

from accounts.models import CustomerNotice
from accounts.notices.words import paragraphs_of, subject_of
from accounts.people.members import finance_readers
from accounts.sign_in.mail import in_each_language
from sensenova_billing.lib.mail import is_mail_sent, mail_next, send_in_turn, site_url

# Then it is no news any more, and after an outage the newest are what counts.
MAILED_WITHIN = dt.timedelta(days=3)


def mail_customer_notices(*, now: dt.datetime) -> int:
    """Mail notices that wait, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


def _mail_next(*, now: dt.datetime) -> bool:
    return mail_next(_waiting(now), messages=_messages, about="the notice {0.pk}".format, now=now)


def _waiting(now: dt.datetime) -> QuerySet[CustomerNotice]:
    readers = finance_readers().filter(customer=OuterRef("customer"))
    return CustomerNotice.objects.filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, at__gt=now - MAILED_WITHIN
    ).select_related("customer")


def _messages(notice: CustomerNotice) -> Iterator[EmailMessage]:
    readers = finance_readers().filter(customer=notice.customer).order_by("user__email")
    return in_each_language(readers.values_list("user__email", flat=True), partial(_message, notice))


def _message(notice: CustomerNotice, to: list[str]) -> EmailMessage:
    context = {
        "customer": notice.customer,
        "paragraphs": paragraphs_of(notice),
        "link": site_url(notice.path or "/") if site_url("") else "",
    }
    body = render_to_string("mail/customer_notice.txt", context)
    return EmailMessage(subject=subject_of(notice), body=body, to=to)
