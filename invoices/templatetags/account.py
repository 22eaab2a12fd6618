"""How account transactions read on pages."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext, gettext_noop

from invoices.models import AccountTransaction

# Of refunds that a provider's call-back books.
REFUNDED_BY_PROVIDER = gettext_noop("Refunded through the payment provider.")

register = template.Library()


@register.filter
def transaction_words(booked: AccountTransaction) -> str:
    """Return what a transaction is, in the reader's language."""
    kind = gettext(booked.get_kind_display())
    if booked.reverses_id:
        return gettext("%(kind)s, reversed") % {"kind": kind}
    return kind[:1].upper() + kind[1:]


@register.filter
def reason_words(reason: str) -> str:
    """Return a reason as a person wrote it; what is booked by itself has one in the reader's language."""
    return gettext(reason) if reason == REFUNDED_BY_PROVIDER else reason


@register.filter
def negated(amount: Decimal) -> Decimal:
    """Return the amount with the other sign."""
    return -amount
