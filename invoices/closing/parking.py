"""Parked hours: which ones await a decision, and their release."""

import datetime as dt

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from accounts.audit.context import LONGEST_REASON
from invoices.models import HourlyBill, ParkedHour, Release
from usage.billing_hours import lock_hours_for_ingest


class NotReleasable(Exception):
    """The parked hour cannot be released; the text says why."""


def parked_hours() -> QuerySet[ParkedHour]:
    """Return what is parked and not billed, oldest first, released or not."""
    billed = HourlyBill.objects.filter(customer_id=OuterRef("customer_id"), hour_id=OuterRef("hour_id"))
    return ParkedHour.objects.filter(~Exists(billed)).order_by("hour_id", "customer_id")


def release(*, parked: ParkedHour, reason: str, by: str, now: dt.datetime) -> Release:
    """Have the next closing bill this parked hour; raise NotReleasable without a reason or a second time."""
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        text = gettext("Give a reason of 1 to %(most)s characters.")
        raise NotReleasable(text % {"most": LONGEST_REASON})
    hour = parked.hour_id
    try:
        with transaction.atomic():
            return Release.objects.create(
                parked=parked,
                reason=reason,
                released_by=by,
                released_at=now,
                billing_hour=lock_hours_for_ingest([hour])[hour],
            )
    except IntegrityError as error:
        raise NotReleasable(gettext("It was released already.")) from error
