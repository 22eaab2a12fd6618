"""What staff book on a customer's account."""

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.audit.context import LONGEST_REASON
from invoices.account.transactions import MOST
from invoices.models import TransactionKind
from pricing.changes.base_form import customer_field
from sensenova_billing.lib.admin.number_fields import PlainDecimalField

# Credits and charges by hand are adjustments, on the next statement; earlier versions booked them here.
_KINDS = [
    (TransactionKind.PAYMENT.value, _("Payment: the customer's money came in")),
    (TransactionKind.REFUND.value, _("Refund: money that was paid ahead goes back")),
    (TransactionKind.WRITE_OFF.value, _("Write-off: what is owed will not be paid")),
]


class BookingForm(forms.Form):
    """A transaction; what is sent twice under one key is one."""

    customer = customer_field(_("Customer"))
    kind = forms.ChoiceField(label=_("Kind"), choices=_KINDS, widget=UnfoldAdminSelectWidget)
    amount = PlainDecimalField(
        label=_("Amount (RMB)"),
        min_value=0,
        max_value=MOST,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget,
    )
    value_date = forms.DateField(
        label=_("Value date"),
        input_formats=["%Y-%m-%d"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("When the money came or went, by the bank."),
    )
    reference = forms.CharField(
        label=_("Reference"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The bank's text, or the number of a document. The customer reads it."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("Needed of all but payments. The customer reads it."),
    )
    key = forms.CharField(max_length=200, widget=forms.HiddenInput)

    def __init__(self, data: Any, **initial: Any) -> None:
        super().__init__(data, initial={"key": str(uuid4()), **initial})

    def clean(self) -> dict[str, Any]:
        """Require a reason of all but payments."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("reason") and cleaned.get("kind") not in (None, TransactionKind.PAYMENT):
            self.add_error("reason", _("Say why; the customer reads it."))
        return cleaned


class ReversalForm(forms.Form):
    """Why what was booked is reversed."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("The customer reads it."),
    )
