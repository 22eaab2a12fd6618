"""What customers say of a tax invoice that they request, and staff of one that was issued."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.audit.context import LONGEST_REASON
from invoices.models import EINVOICE_REMARKS, Statement
from sensenova_billing.lib.names import validate_name


class EInvoiceForm(forms.Form):
    """The statements of one invoice."""

    statements = forms.MultipleChoiceField(
        label=_("Statements"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Choose a statement."),
            "invalid_choice": _("%(value)s cannot be requested any more."),
        },
    )
    remarks = forms.CharField(
        label=_("Remarks"),
        required=False,
        max_length=EINVOICE_REMARKS,
        validators=[validate_name],
        help_text=_("Stand on the invoice, for example a number of your contract or order."),
    )

    def __init__(self, data: Any, *, offered: Sequence[Statement]) -> None:
        super().__init__(data)
        field: Any = self.fields["statements"]
        field.choices = [(one.number, one.number) for one in offered]
        self.offered = offered

    def rows(self) -> list[tuple[Any, Statement]]:
        """Return each statement with its box."""
        return list(zip(self["statements"], self.offered, strict=True))


class InvoiceForm(forms.Form):
    """The invoice as it was issued."""

    number = forms.CharField(
        label=_("Number"), max_length=40, validators=[validate_name], widget=UnfoldAdminTextInputWidget
    )
    date = forms.DateField(
        label=_("Date"),
        input_formats=["%Y-%m-%d"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("That stands on it."),
    )

    def __init__(self, data: Any, *, today: dt.date, **initial: Any) -> None:
        super().__init__(data, initial=initial)
        self._today = today

    def clean_date(self) -> dt.date:
        """Refuse a day that has not come yet."""
        date: dt.date = self.cleaned_data["date"]
        if date > self._today:
            raise forms.ValidationError(_("This day has not come yet."))
        return date


class RedLetterForm(InvoiceForm):
    """The invoice that reverses it, and why."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("The customer reads it."),
    )
