"""How account transactions read on pages."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext

from invoices.models import AccountTransaction, Adjustment

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
def negated(amount: Decimal) -> Decimal:
    """Return the amount with the other sign."""
    return -amount
