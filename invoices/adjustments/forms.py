"""What staff credit or charge by hand."""

import datetime as dt
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.audit.context import LONGEST_REASON
from invoices.adjustments.basis import Basis
from invoices.adjustments.propose import MOST
from invoices.models import PERCENT_DECIMALS, AdjustmentCause, AdjustmentKind, Statement
from pricing.changes.base_form import customer_field
from pricing.models import Service
from sensenova_billing.lib.admin.number_fields import PlainDecimalField
from sensenova_billing.lib.local_time import start_of_day

MOST_PERCENT = 100
_KINDS = [
    (AdjustmentKind.CREDIT.value, _("Credit: the customer owes less")),
    (AdjustmentKind.CHARGE.value, _("Charge: the customer owes more")),
]
_DAY = dt.timedelta(days=1)


def _day_field(label: Any, help_text: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=help_text,
    )


class AdjustmentForm(forms.Form):
    """An amount, or a percentage of a statement or of what was billed on some days."""

    customer = customer_field(_("Customer"))
    kind = forms.ChoiceField(label=_("Kind"), choices=_KINDS, widget=UnfoldAdminSelectWidget)
    cause = forms.ChoiceField(
        label=_("Cause"),
        choices=[(one.value, _(one.label)) for one in AdjustmentCause],
        widget=UnfoldAdminSelectWidget,
    )
    amount = PlainDecimalField(
        label=_("Amount (RMB)"),
        required=False,
        min_value=0,
        max_value=MOST,
        decimal_places=2,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Or a percentage."),
    )
    percent = PlainDecimalField(
        label=_("Percent"),
        required=False,
        min_value=0,
        max_value=MOST_PERCENT,
        decimal_places=PERCENT_DECIMALS,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Of the statement, or of what was billed on the days."),
    )
    statement = forms.CharField(
        label=_("Statement"),
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Its number. Of what was charged on it no more is credited."),
    )
    first_day = _day_field(
        _("First day"), _("Without a statement: by the customer's clock, as hours closed.")
    )
    last_day = _day_field(_("Last day"), _("The charges of this day are counted in."))
    service = forms.ModelChoiceField(
        Service.objects.order_by("name"),
        label=_("Service"),
        required=False,
        empty_label=_("All services"),
        widget=UnfoldAdminSelectWidget,
        help_text=_("Of days alone."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=_("The customer reads it."),
    )
    is_beyond_charges = forms.BooleanField(
        label=_("More than was charged"),
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=_("Tick it to credit more than was charged; the audit trail says so."),
    )
    key = forms.CharField(max_length=200, widget=forms.HiddenInput)

    def __init__(self, data: Any) -> None:
        super().__init__(data, initial={"key": str(uuid4())})

    def clean(self) -> dict[str, Any]:
        """Require one of amount and percentage, and of a statement and days at most one."""
        cleaned = super().clean() or self.cleaned_data
        given = [cleaned.get(name) is not None or name in self.errors for name in ("amount", "percent")]
        if given in ([True, True], [False, False]):
            self.add_error("amount", _("Give an amount or a percentage."))
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if (first is None) != (last is None) or (first and last and last < first):
            self.add_error("last_day", _("Give a first and a last day, in this order, or neither."))
        if cleaned.get("statement") and (first or cleaned.get("service")):
            self.add_error("statement", _("Choose a statement, or days and a service."))
        if cleaned.get("service") and not first:
            self.add_error("service", _("Give the days as well."))
        if not self.errors:
            cleaned["basis"] = self._basis(cleaned)
        return cleaned

    def _basis(self, cleaned: dict[str, Any]) -> Basis | None:
        customer, first, last = cleaned["customer"], cleaned["first_day"], cleaned["last_day"]
        if number := cleaned["statement"]:
            statement = Statement.objects.filter(customer=customer, number=number.strip()).first()
            if statement is None:
                self.add_error("statement", _("The customer has no statement with this number."))
                return None
            return Basis(customer, statement=statement)
        if first is None:
            return Basis(customer)
        zone = ZoneInfo(customer.time_zone)
        try:
            begins_at, ends_at = start_of_day(first, zone), start_of_day(last + _DAY, zone)
        except OverflowError:  # at the ends of the calendar
            self.add_error("last_day", forms.DateField.default_error_messages["invalid"])
            return None
        return Basis(customer, begins_at=begins_at, ends_at=ends_at, service=cleaned["service"])
