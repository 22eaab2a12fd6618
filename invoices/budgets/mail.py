"""Mail about budgets: each alert goes once to the owners and the finance people of its customer."""

import datetime as dt
import logging
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import FINANCE_ROLES, Member
from accounts.sign_in.mail import by_language
from invoices.budgets.words import budget_in_words
from sensenova_billing.lib.local_time import minute_text
from sensenova_billing.lib.mail import is_mail_sent, locked, send_in_turn, site_url
from usage.models import BudgetAlert

logger = logging.getLogger(__name__)
PAUSE = dt.timedelta(minutes=10)


def mail_alerts(*, now: dt.datetime) -> int:
    """Mail alerts that wait, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    alert = locked(_waiting(now)).first()
    if alert is None:
        return False
    try:
        get_connection().send_messages(list(_messages(alert)))
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("No mail about the budget alert %s: %s", alert.pk, type(error).__name__)
        alert.mail_after = now + PAUSE
    else:
        alert.mailed_at = now
    alert.save(update_fields=["mail_after", "mailed_at"])
    return alert.mailed_at is not None


def _waiting(now: dt.datetime) -> QuerySet[BudgetAlert]:
    """Return the alerts to mail; once their window is over they are no news."""
    readers = _readers().filter(customer=OuterRef("use__budget__customer"))
    return BudgetAlert.objects.filter(
        Exists(readers), mailed_at=None, mail_after__lte=now, use__ends_at__gt=now
    ).select_related("use__budget__customer", "use__budget__service")


def _readers() -> QuerySet[Member]:
    return Member.objects.filter(role__in=FINANCE_ROLES, user__is_active=True)


def _messages(alert: BudgetAlert) -> Iterator[EmailMessage]:
    readers = _readers().filter(customer=alert.use.budget.customer).order_by("user__email")
    for language, addresses in by_language(readers.values_list("user__email", flat=True)).items():
        with translation.override(language):
            yield _message(alert, to=addresses)


def _message(alert: BudgetAlert, *, to: list[str]) -> EmailMessage:
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
