"""Call-backs that differ from their orders: what staff did about each, which ends its alarm."""

import datetime as dt

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from invoices.models import CallbackOutcome, CallbackReview, OnlinePayment, PaymentCallback


class ReviewRefused(Exception):
    """Nothing was stored; the text says why."""


def unreviewed_callbacks() -> QuerySet[PaymentCallback]:
    """Return the call-backs that differ from their orders and that staff have not looked into."""
    return PaymentCallback.objects.filter(outcome=CallbackOutcome.MISMATCH, review=None)


@transaction.atomic
def review_callback(*, callback: PaymentCallback, text: str, by: str, now: dt.datetime) -> CallbackReview:
    """Store what was done about a call-back that differs; once it is reviewed, return that review.

    Raises ReviewRefused for one that does not differ.
    """
    if callback.outcome != CallbackOutcome.MISMATCH:
        raise ReviewRefused(gettext("This call-back does not differ from its order."))
    review, _ = CallbackReview.objects.get_or_create(
        callback=callback, defaults={"text": text, "by": by, "at": now}
    )
    return review


def last_review(payment: OnlinePayment) -> CallbackReview | None:
    """Return what staff did last about a payment, unless a call-back of it waits for a review."""
    if unreviewed_callbacks().filter(payment=payment).exists():
        return None
    return CallbackReview.objects.filter(callback__payment=payment).first()
