"""Open hours that are far beyond the usual: found while they run, by the bounds of parking.

The records of an open hour are read at most once a minute, and never for more than a fiftieth of the time: a
look that took 3 seconds is followed by the next after 150. One statement finds the customers who could be
beyond a bound; only these few are rated exactly. `amounts_beyond` is all that the alarm needs to know of it.
"""

import datetime as dt
import logging
import time
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.urls import reverse

from accounts.models import Customer
from invoices.closing.bill import BILLS_TO_KNOW_WHAT_IS_USUAL, DAYS_TO_LOOK_BACK
from invoices.models import OpenHourAlarm, OpenHourLook
from invoices.packages.after_sale.mail import MAILED_WITHIN, PAUSE
from invoices.rating.charges_sql import charges_so_far
from invoices.rating.usage_sql import MEASURED, allow_memory, grouped_usage, rating_parameters
from invoices.templatetags.amounts import exact, rmb
from pricing.rules.amounts import exact_sum
from sensenova_billing.lib.database.statements import load_template
from sensenova_billing.lib.mail import is_mail_sent, locked, send_in_turn
from usage.billing_hours import EPOCH, hour_of, last_closed_hour
from usage.models import HOUR

logger = logging.getLogger(__name__)
# A part of the time that looks may take.
SHARE_OF_TIME = 50
NOTHING = dt.timedelta(0)
KEPT_FOR = dt.timedelta(days=2)


class Beyond(NamedTuple):
    """What a customer's part of an open hour comes to so far, and why it would be parked."""

    customer_id: int
    amount: Decimal
    reason: str


def watch_open_hours(*, now: dt.datetime) -> list[OpenHourAlarm]:
    """Raise an alarm for each customer's open hour beyond the bounds, mail what waits; return the new."""
    last = last_closed_hour() or EPOCH
    running = hour_of(now)
    # The hour that ended last is still open while the closing waits for records on their way.
    raised = [
        alarm for hour in (running - HOUR, running) if hour > last for alarm in _look(hour=hour, now=now)
    ]
    OpenHourLook.objects.filter(hour__lt=now - KEPT_FOR).delete()
    mail_alarms(now=now)
    return raised


def amounts_beyond(*, hour: dt.datetime) -> list[Beyond]:
    """Return the customers whose part of this open hour is beyond the bounds as it stands."""
    found = []
    for customer_id, usual in _possible(hour):
        charges = charges_so_far(customer_id=customer_id, hour=hour)
        amount = exact_sum(charge.amount for charge in charges)
        if reason := _reason(amount, usual):
            found.append(Beyond(customer_id, amount, reason))
    return found


@transaction.atomic(durable=True)
def _look(*, hour: dt.datetime, now: dt.datetime) -> list[OpenHourAlarm]:
    look, is_first = OpenHourLook.objects.get_or_create(
        hour=hour, defaults={"looked_at": now, "took": NOTHING}
    )
    mine = locked(OpenHourLook.objects.filter(pk=look.pk)).first()
    if mine is None or not (is_first or now - mine.looked_at >= SHARE_OF_TIME * mine.took):
        return []
    began = time.monotonic_ns()
    allow_memory()
    alarms = [_raise(beyond, hour=hour, now=now) for beyond in amounts_beyond(hour=hour)]
    mine.looked_at, mine.took = now, dt.timedelta(microseconds=(time.monotonic_ns() - began) // 1000)
    mine.save(update_fields=["looked_at", "took"])
    return [alarm for alarm in alarms if alarm is not None]


def _raise(beyond: Beyond, *, hour: dt.datetime, now: dt.datetime) -> OpenHourAlarm | None:
    """Raise the alarm, or bring its amount up to date; return it if it is new."""
    alarm, is_new = OpenHourAlarm.objects.update_or_create(
        customer_id=beyond.customer_id,
        hour=hour,
        defaults={"amount": beyond.amount},
        create_defaults={
            "amount": beyond.amount,
            "reason": beyond.reason,
            "raised_at": now,
            "mail_after": now,
        },
    )
    return alarm if is_new else None


def _possible(hour: dt.datetime) -> list[tuple[int, Decimal | None]]:
    values = rating_parameters(hour=hour)
    bounds: dict[str, Any] = {
        "most_amount": settings.PARK_ABOVE_AMOUNT,
        "unusual_from": settings.PARK_UNUSUAL_FROM,
        "times_usual": settings.PARK_ABOVE_TIMES_USUAL,
        "usual_since": hour - dt.timedelta(days=DAYS_TO_LOOK_BACK),
        "bills_to_know": BILLS_TO_KNOW_WHAT_IS_USUAL,
    }
    statement = _DEAR.substitute(grouped=grouped_usage(changes=len(values["changes"])), measured=MEASURED)
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, **bounds})
        return [(customer_id, usual) for customer_id, usual in cursor.fetchall()]


def _reason(amount: Decimal, usual: Decimal | None) -> str:
    if amount > settings.PARK_ABOVE_AMOUNT:
        return f"{rmb(amount)} in an hour is more than RMB {exact(settings.PARK_ABOVE_AMOUNT)}."
    times = settings.PARK_ABOVE_TIMES_USUAL
    if usual is not None and amount > settings.PARK_UNUSUAL_FROM and amount > times * abs(usual):
        return f"{rmb(amount)} is more than {times:f} times the usual {rmb(usual)} an hour of this customer."
    return ""


# --- Mail ------------------------------------------------------------------------------------------


def mail_alarms(*, now: dt.datetime) -> int:
    """Mail alarms that wait to ALARM_MAIL, each once, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if settings.ALARM_MAIL and is_mail_sent() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    waiting = OpenHourAlarm.objects.filter(
        mailed_at=None, mail_after__lte=now, raised_at__gt=now - MAILED_WITHIN
    )
    alarm = locked(waiting.select_related("customer")).first()
    if alarm is None:
        return False
    try:
        _message(alarm).send()
    except OSError as error:  # smtplib's exceptions are among them
        logger.warning("No mail about the open hour of %s: %s", alarm, type(error).__name__)
        alarm.mail_after = now + PAUSE
    else:
        alarm.mailed_at = now
    alarm.save(update_fields=["mail_after", "mailed_at"])
    return alarm.mailed_at is not None


def _message(alarm: OpenHourAlarm) -> EmailMessage:
    customer: Customer = alarm.customer
    page = reverse("admin:accounts_customer_change", args=[customer.pk])
    site = settings.PUBLIC_URL.rstrip("/")
    lines = [
        f"The hour {alarm.hour:%Y-%m-%d %H:%M} UTC of {customer.name} ({customer.code}) is still open.",
        alarm.reason,
        f"So far it comes to {rmb(alarm.amount)}. As it stands it will be parked when it closes.",
        *([f"{site}{page}"] if site else []),
    ]
    return EmailMessage(
        subject=f"Open hour of {customer.code} far beyond the usual",
        body="\n\n".join(lines),
        to=list(settings.ALARM_MAIL),
    )


_DEAR = load_template("dear_customers.sql", beside=__file__)
