"""How account transactions read on pages."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext

from invoices.models import AccountTransaction

register = template.Library()


@register.filter
def transaction_words(booked: AccountTransaction) -> str:
    """Return what a transaction is, in the reader's language."""
    kind = gettext(booked.get_kind_display())
    if booked.reverses_id:
        return gettext("%(kind)s, reversed") % {"kind": kind}
    return kind[:1].upper() + kind[1:]


@register.filter
def negated(amount: Decimal) -> Decimal:
    """Return the amount with the other sign."""
    return -amount
