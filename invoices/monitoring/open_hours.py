"""Open hours that are far beyond the usual: found while they run, by the bounds of parking.

What they come to was summed up as running hours; every hour that could be beyond a bound is among them.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import Customer
from accounts.sign_in.mail import in_each_language
from invoices.models import OpenHourAlarm
from invoices.packages.after_sale.mail import MAILED_WITHIN
from invoices.running.refresh import beyond_sql, parking_bounds
from invoices.stored_words import alarms_because
from invoices.templatetags.amounts import exact, rmb
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.mail import is_mail_sent, mail_next, send_in_turn
from usage.billing_hours import EPOCH, last_closed_hour


class Beyond(NamedTuple):
    """What a customer's open hour comes to so far, and usually, if that is known."""

    customer_id: int
    hour: dt.datetime
    amount: Decimal
    usual: Decimal | None


def watch_open_hours(*, now: dt.datetime) -> list[OpenHourAlarm]:
    """Raise an alarm for each customer's open hour beyond the bounds, mail what waits; return the new."""
    raised = [_raise(beyond, now=now) for beyond in hours_beyond(after=last_closed_hour() or EPOCH)]
    mail_alarms(now=now)
    return [alarm for alarm in raised if alarm is not None]


def hours_beyond(*, after: dt.datetime) -> list[Beyond]:
    """Return the customers' open hours that are beyond the bounds, as they were last summed up."""
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND, {"after": after, **parking_bounds()})
        return [Beyond(*row) for row in cursor.fetchall()]


def _raise(beyond: Beyond, *, now: dt.datetime) -> OpenHourAlarm | None:
    """Raise the alarm, or bring its amount up to date; return it if it is new."""
    alarm, is_new = OpenHourAlarm.objects.update_or_create(
        customer_id=beyond.customer_id,
        hour=beyond.hour,
        defaults={"amount": beyond.amount},
        create_defaults={
            "amount": beyond.amount,
            "reason": _reason(beyond),
            "raised_at": now,
            "mail_after": now,
        },
    )
    return alarm if is_new else None


def _reason(beyond: Beyond) -> str:
    if beyond.usual is None or beyond.amount > settings.PARK_ABOVE_AMOUNT:
        return f"{rmb(beyond.amount)} in an hour is more than RMB {exact(settings.PARK_ABOVE_AMOUNT)}."
    return (
        f"{rmb(beyond.amount)} is more than {settings.PARK_ABOVE_TIMES_USUAL:f} times the usual "
        f"{rmb(beyond.usual)} an hour of this customer."
    )


# --- Mail ------------------------------------------------------------------------------------------


def mail_alarms(*, now: dt.datetime) -> int:
    """Mail alarms that wait to ALARM_MAIL, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if settings.ALARM_MAIL and is_mail_sent() else 0


def _mail_next(*, now: dt.datetime) -> bool:
    waiting = OpenHourAlarm.objects.filter(
        mailed_at=None, mail_after__lte=now, raised_at__gt=now - MAILED_WITHIN
    )
    about = "the open hour of {}".format
    return mail_next(waiting.select_related("customer"), messages=_messages, about=about, now=now)


def _messages(alarm: OpenHourAlarm) -> Iterator[EmailMessage]:
    return in_each_language(settings.ALARM_MAIL, partial(_message, alarm))


def _message(alarm: OpenHourAlarm, to: list[str]) -> EmailMessage:
    customer: Customer = alarm.customer
    page = reverse("admin:accounts_customer_change", args=[customer.pk])
    site = settings.PUBLIC_URL.rstrip("/")
    words = {
        "hour": f"{alarm.hour:%Y-%m-%d %H:%M}",
        "name": customer.name,
        "code": customer.code,
        "amount": rmb(alarm.amount),
    }
    lines = [
        gettext("The hour %(hour)s UTC of %(name)s (%(code)s) is still open.") % words,
        alarms_because(alarm.reason),
        gettext("So far it comes to %(amount)s. As it stands it will be parked when it closes.") % words,
        *([f"{site}{page}"] if site else []),
    ]
    return EmailMessage(
        subject=gettext("Open hour of %(code)s far beyond the usual") % words,
        body="\n\n".join(lines),
        to=to,
    )


_BEYOND = load_statement("read_beyond.sql", beside=__file__, **beyond_sql(hours="running", hour="hour"))
