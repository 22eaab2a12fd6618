"""How much is paid online, and what staff did about a call-back."""

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.audit.context import LONGEST_REASON
from invoices.payments.provider import MOST_AT_ONCE
from sensenova_billing.lib.admin.number_fields import PlainDecimalField


class PayForm(forms.Form):
    """An amount; what is sent twice with one order id is one payment."""

    amount = PlainDecimalField(
        label=_("Amount (RMB)"),
        min_value=0,
        max_value=MOST_AT_ONCE,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    order_id = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any, **initial: Any) -> None:
        super().__init__(data, initial={"order_id": uuid4(), **initial})


class ReviewForm(forms.Form):
    """What was done about a call-back that differs from its order."""

    text = forms.CharField(
        label=_("What was done"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Such as: refunded at the provider, or booked by hand. The customer reads it."),
    )
