"""How account transactions read on pages."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext, gettext_noop

from invoices.models import AccountTransaction, Adjustment

# Of what a provider's call-back books beside payments.
REFUNDED_BY_PROVIDER = gettext_noop("Refunded through the payment provider.")
WITHDRAWN_BY_PROVIDER = gettext_noop("Taken back by the payment provider: the payment is disputed.")
REINSTATED_BY_PROVIDER = gettext_noop("Returned by the payment provider after a dispute.")
_BY_PROVIDER = {REFUNDED_BY_PROVIDER, WITHDRAWN_BY_PROVIDER, REINSTATED_BY_PROVIDER}

register = template.Library()


@register.filter
def transaction_words(booked: AccountTransaction) -> str:
    """Return what a transaction is, in the reader's language."""
    kind = gettext(booked.get_kind_display())
    if booked.reverses_id:
        return gettext("%(kind)s, reversed") % {"kind": kind}
    return kind[:1].upper() + kind[1:]


@register.filter
def adjustment_words(adjustment: Adjustment) -> str:
    """Return what a credit or charge by hand is, and why, in the reader's language."""
    kind, cause = gettext(adjustment.get_kind_display()), gettext(adjustment.get_cause_display())
    return gettext("%(kind)s (%(cause)s)") % {"kind": kind[:1].upper() + kind[1:], "cause": cause}


@register.filter
def reason_words(reason: str) -> str:
    """Return a reason as a person wrote it; what is booked by itself has one in the reader's language."""
    return gettext(reason) if reason in _BY_PROVIDER else reason


@register.filter
def negated(amount: Decimal) -> Decimal:
    """Return the amount with the other sign."""
    return -amount
