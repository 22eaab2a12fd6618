"""How much is paid online."""

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

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
