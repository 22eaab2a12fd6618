"""Mail about budgets: each alert goes once to the owners and the finance people of its customer."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from zoneinfo import ZoneInfo

from django.core.mail import EmailMessage
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext

from accounts.people.members import finance_readers
from accounts.sign_in.mail import in_each_language
from invoices.budgets.words import budget_in_words
from sensenova_billing.lib.local_time import minute_text
from sensenova_billing.lib.mail import is_mail_sent, mail_next, send_in_turn, site_url
from usage.models import BudgetAlert


def mail_alerts(*, now: dt.datetime) -> int:
    """Mail alerts that wait, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


def _mail_next(*, now: dt.datetime) -> bool:
    about = "the budget alert {0.pk}".format
    return mail_next(_waiting(now), messages=_messages, about=about, now=now)


def _waiting(now: dt.datetime) -> QuerySet[BudgetAlert]:
    """Return the alerts to mail; once their window is over they are no news."""
    readers = finance_readers().filter(customer=OuterRef("use__budget__customer"))
    return BudgetAlert.objects.filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, use__ends_at__gt=now
    ).select_related("use__budget__customer", "use__budget__service")


def _messages(alert: BudgetAlert) -> Iterator[EmailMessage]:
    readers = finance_readers().filter(customer=alert.use.budget.customer).order_by("user__email")
    return in_each_language(readers.values_list("user__email", flat=True), partial(_message, alert))


def _message(alert: BudgetAlert, to: list[str]) -> EmailMessage:
    budget = alert.use.budget
    customer = budget.customer
    facts = {"customer": customer.name, "percent": alert.percent}
    subject = gettext("%(customer)s: %(percent)s %% of a budget are used") % facts
    if alert.is_stop:
        subject = gettext("%(customer)s: a budget is used up, and calls are refused") % facts
    path = reverse("customer_budgets", args=[customer.code])
    context = {
        "alert": alert,
        "customer": customer,
        "budget": budget_in_words(budget),
        "resets": minute_text(alert.use.ends_at, ZoneInfo(customer.time_zone)),
        "link": site_url(path) if site_url("") else "",
    }
    return EmailMessage(subject=subject, body=render_to_string("mail/budget_alert.txt", context), to=to)
